/*
 * handover/1: a privileged parent gives open descriptors to a worker, and knows
 * what became of each. README.md beside this file says what is modelled and
 * what each property means; labels P1... and W1... are those of the code.
 *
 * A step is what stands between two labels or semicolons outside of atomic and
 * d_step. Both ends can be killed between any two steps.
 */
#include "kernel.inc"

/* The parent's books. */
mtype st[ND];                   /* of the grants of this epoch */
mtype phase = UNBORN;
byte busy;                      /* offers that have not ended in this epoch */
byte reserved;                  /* descriptors that an offer in flight counts for */
byte credit;                    /* what the worker has room for, by its own word */
byte early;                     /* RELEASED that came before the receipt was read */
byte revoking;                  /* REVOKE is out, RELEASED is not in */
bool fault;                     /* the worker is to be ended */

/* The worker's books. */
byte known;                     /* tokens it has taken */
bool owes;                      /* it refused one for want of room and has said nothing since */
byte bad;                       /* what is wrong with this worker; 0 is nothing */

#define HONEST 0
#define SILENT 1                /* reads an OFFER and never goes on */
#define OLD_EPOCH 2             /* writes the epoch of its predecessor */
#define OTHER_SEQ 3             /* writes the number of another record */
#define TWICE 4                 /* writes two receipts */
#define MUTE 5                  /* closes the pipe without a receipt, and keeps what came */
#define HOARDER 6               /* never closes the pipe */
#define LIAR 7                  /* names a descriptor that is another file */
#define DEAF 8                  /* does not do what REVOKE says */
#define TIMID 9                 /* never says HELLO */

/* Memory of the properties alone; nothing above decides by it. */
byte committed;                 /* COMMIT was sent */
byte answered;                  /* the receipt that takes it is in a pipe that has a reader */
byte once;                      /* the plugin has been given it */
byte heard;                     /* the parent has read that it is closed */
byte put;                       /* the plugin or the library closed it again */
bool proven;                    /* the parent has read what no honest worker writes */

#include "properties.inc"

/* step moves the grants of a mask on, by the table of the code. */
inline step(m, to) {
	for (j : 0 .. ND - 1) {
		if
		:: (m) & (1 << j) ->
			assert(ended_stays || LEGAL(st[j], to));
			st[j] = to
		:: else
		fi
	}
}

inline ended(m) { reserved = reserved & ~(m) }

/* A receipt takes m: this is the only place where a grant becomes delivered.
 * RELEASED may have come first: the socket and the pipe are two ways. */
inline deliver(m) {
	step(m, DELIVERED);
	ended(m);
#ifndef MUT_FORGET_EARLY
	step(early & (m), RELEASED);
#endif
	early = early & ~(m)
}

/* One goroutine of the parent for each offer. */
proctype Offer(byte o; byte all) {
	byte mine, p, try, m, taken, later, x;
	bool repeated;
	{
end_idle:
	do
	:: atomic { ((busy & (1 << o)) && mine != epoch) -> mine = epoch; try = 0; m = all };
		atomic {                /* what the ledger has no copy of is opened */
			x = all & ~ledger;
			caller = caller | x;
			for (i : 0 .. ND - 1) {
				if
				:: all & (1 << i) -> st[i] = NEW
				:: else
				fi
			}
		};
P1:		d_step {
#ifndef MUT_NO_COPY
			ledger = ledger | all;
#endif
			x = 0;
			step(all, HELD)
		};
P2:		if
		:: caller = caller & ~all
		:: KEEPERS -> skip      /* the caller keeps its own, and should not */
		fi;
		/* reserve: a place within the worker's credit */
		if
		:: atomic { phase == WELCOMED && (BITS(reserved | all) <= credit
#ifdef MUT_NO_CREDIT
			|| true
#endif
			) -> reserved = reserved | all }
		:: atomic { phase == OVER -> step(all, ABORTED); goto over }
		fi;

again:		atomic { p = o * TRIES + try; assert(no_leak || (pipew[p] == 0 && !piper[p])); pipew[p] = PARENT_END; piper[p] = true };
P3:		if
		:: atomic { walive && !shut && ROOM && phase == WELCOMED ->
			assert(fault_ends || !proven);
			assert(within_credit || BITS(reserved) <= credit);
			queue_offer(m, p);
			if
			:: repeated
			:: else -> step(m, SENT)
			fi
#ifdef MUT_MOVE_AT_SEND
			; ledger = ledger & ~(m & MOVEM)
#endif
		   }
		:: atomic { !walive || !ROOM || phase != WELCOMED ->       /* EPIPE; or no room, until it was too late */
			pipew[p] = 0; piper[p] = false;
			if
			:: try == 0 -> step(m, ABORTED)
			:: repeated -> skip
			:: else -> step(m, LOST)
			fi;
			ended(m); goto over }
		fi;
P4:		d_step {
#ifndef MUT_WRITE_END_KEPT
			pipew[p] = pipew[p] & ~PARENT_END;
#endif
			taken = 0; later = 0
		};
		if
		:: pipew[p] == 0        /* end of file */
#ifndef MUT_NO_DEADLINE
		:: atomic { pipew[p] != 0 ->    /* nobody knows who has it */
			forget(p); piper[p] = false;
#ifdef MUT_RESEND_AT_DEADLINE
			goto lost
#else
			if
			:: repeated
			:: else -> step(m, EXPIRED)
			fi;
			ended(m);
			if
			:: ROOM && walive -> down!ABORT(m, p)
			:: else
			fi;
			fault = true; goto over
#endif
		   }
#endif
		fi;
P5:		atomic {
			piper[p] = false;
			if
			:: receipt[p].count == 0 -> goto lost
			:: (receipt[p].count == 1
#ifndef MUT_NO_EPOCH_CHECK
				&& receipt[p].epoch == mine
#endif
#ifndef MUT_NO_SEQ_CHECK
				&& receipt[p].seq == p + 1
#endif
				) -> skip
#ifdef MUT_TWO_RECEIPTS
			:: receipt[p].count == 2 && receipt[p].epoch == mine && receipt[p].seq == p + 1 -> skip
#endif
			:: else ->              /* garbage: the worker is at fault */
				proven = true;
				forget(p);
#ifdef MUT_GARBAGE_IS_LOST
				goto lost
#else
				if
				:: repeated
				:: else -> step(m, LOST)
				fi;
				ended(m); fault = true; goto over
#endif
			fi;
			assert(own_record || (receipt[p].epoch == mine && receipt[p].seq == p + 1));
			assert(one_receipt || receipt[p].count == 1);
			taken = receipt[p].taken; later = receipt[p].later;
			forget(p);
			assert(own_record || ((taken | later) & ~m) == 0);
			if
			:: repeated -> taken = 0; later = 0; m = 0
			:: else
			fi;
			x = m & ~(taken | later);
			step(x, REFUSED); ended(x);
			m = later;
			x = taken & ~EXCLM;     /* mode move: ours is closed now, and not before */
#ifdef MUT_SHARE_CLOSED
			ledger = ledger & ~x;
#endif
#ifndef MUT_MOVE_KEPT
			ledger = ledger & ~(x & MOVEM);
#endif
			deliver(x);
			x = taken & EXCLM;
			taken = 0
		};
		if
		:: x == 0 -> goto settled
		:: else
		fi;
		/* exclusive: take the worker's copy by its number, and compare */
		if
		:: atomic { !walive -> step(x, LOST); ended(x); x = 0; goto settled }    /* gone */
		:: atomic { walive && bad != LIAR -> temp = temp | x }                   /* same */
		:: atomic { walive && bad == LIAR -> goto refuse }                       /* different */
		fi;
#ifndef MUT_TEMP_KEPT
		temp = temp & ~x;
#endif
		/* and the ledger's copy with everything else in the own table */
		if
		:: ((caller & x) == 0
#ifdef MUT_NO_TABLE_CHECK
			|| true
#endif
			) -> skip
		:: atomic { (caller & x) != 0 ->
refuse:			step(x, ABORTED); ended(x); fault = true;
			if
			:: ROOM && walive -> down!ABORT(x, p)
			:: else
			fi;
			x = 0; goto settled }
		fi;
#ifdef MUT_COMMIT_BEFORE_CLOSE
		d_step { deliver(x) };
#else
		d_step { ledger = ledger & ~x; deliver(x) };
#endif
P6:		atomic {
			for (i : 0 .. ND - 1) {
				if
				:: st[i] != DELIVERED -> x = x & ~(1 << i)      /* released in between */
				:: else
				fi
			};
			if
			:: x == 0
			:: x != 0 && walive && ROOM ->
				assert(sole_holder || ((ledger | temp | caller) & x) == 0 && !FLYING(x));
#ifdef MUT_NO_COMMIT
				skip
#else
				down!COMMIT(x, p); committed = committed | x
#endif
			:: x != 0 && !(walive && ROOM) -> fault = true
			fi
#ifdef MUT_COMMIT_BEFORE_CLOSE
			; ledger = ledger & ~x
#endif
		};
		atomic { step(SET(DELIVERED) & committed & x, COMMITTED); x = 0 };    /* RELEASED may have been faster */
settled:	if
		:: atomic { m != 0 && try < RESENDS && phase == WELCOMED -> try++; x = 0; goto again }
		:: atomic { m != 0 && (try >= RESENDS || phase != WELCOMED) -> step(m, REFUSED); ended(m) }
		:: atomic { m == 0 && REPEATS && !repeated && phase == WELCOMED && st[0] == DELIVERED && ((all & AWAYM) == 0) && BITS(reserved | all) <= credit ->
			repeated = true; m = all; reserved = reserved | all; try = RESENDS + 1; goto again }
		:: m == 0
		fi;
		goto over;
lost:		/* nobody has it: again for a living worker, else it is kept for the next one */
		if
		:: atomic { repeated -> ended(m) }
#ifdef MUT_RESEND_FOREVER
		:: atomic { !repeated && phase == WELCOMED && walive -> x = 0; goto again }
		:: atomic { !repeated && !(phase == WELCOMED && walive) -> step(m, LOST); ended(m) }
#else
		:: atomic { !repeated && try < RESENDS && phase == WELCOMED -> try++; x = 0; goto again }
		:: atomic { !repeated && (try >= RESENDS || phase != WELCOMED) -> step(m, LOST); ended(m)
#ifdef MUT_LOST_IS_CLOSED
			; ledger = ledger & ~m
#endif
		   }
#endif
		fi;
over:		atomic { assert(committed_or_ended || fault || (all & EXCLM & SET(DELIVERED)) == 0); ended(all); x = 0; m = 0; p = 0; try = 0; later = 0; taken = 0; repeated = false };
P7:		busy = busy & ~(1 << o)
	od
	} unless { pdead }
}

/* The parent's other goroutines: one worker after the other. */
proctype Parent() {
	byte m;
	bool stopping;
	{
	do
	:: epoch == EPOCHS || stopping -> break
	:: atomic { epoch < EPOCHS && !stopping ->
			assert(reaped_first || !walive);
			epoch++; walive = true; shut = false; fault = false; proven = false; phase = NEWBORN;
			do
			:: len(up) > 0 -> up?_,_
			:: len(up) == 0 -> break
			od;
			credit = 0; reserved = 0; early = 0; revoking = 0;
			known = 0; owes = false;
			committed = 0; answered = 0; once = 0; heard = 0; put = 0;
			bad = HONEST;
#ifdef BAD
			if
			:: bad = SILENT
			:: bad = OLD_EPOCH
			:: bad = OTHER_SEQ
			:: bad = TWICE
			:: bad = MUTE
			:: bad = HOARDER
			:: bad = LIAR
			:: bad = DEAF
			:: bad = TIMID
			:: skip
			fi
#endif
#ifdef MUT_OFFER_BEFORE_WELCOME
			; credit = ND; busy = (1 << OFFERS) - 1; phase = WELCOMED
#endif
		};
		if
		:: atomic { up?HELLO(m) -> credit = m; m = 0 }
		:: !walive && len(up) == 0 -> goto off
		:: goto off             /* ready_within is over */
		fi;
		if
		:: atomic { walive && ROOM -> down!WELCOME(0, 0); phase = WELCOMED; busy = (1 << OFFERS) - 1 }
		:: !walive -> goto off
		fi;
		do
		:: atomic { up?RELEASED(m) ->
				for (i : 0 .. ND - 1) {
					if
					:: (m & (1 << i)) && st[i] == SENT -> early = early | (1 << i)
					:: (m & (1 << i)) && (st[i] == DELIVERED || st[i] == COMMITTED) ->
						heard = heard | (1 << i);
						if
						:: revoking & (1 << i) -> step((1 << i), REVOKED)
						:: else -> step((1 << i), RELEASED)
						fi
#ifdef MUT_LATE_RELEASED
					:: (m & (1 << i)) && (st[i] == LOST || st[i] == EXPIRED) -> step((1 << i), RELEASED)
#endif
					:: else         /* late: of one that has ended */
					fi
				};
				heard = heard | m;
				revoking = revoking & ~m; m = 0 }
		:: atomic { up?CREDIT(m) -> credit = m; m = 0 }
		:: up?READY(_)
		:: !walive && len(up) == 0 -> break
		:: fault -> break
		:: atomic { (busy == 0 && revoking == 0
#ifndef MUT_REVOKE_AGAIN
				&& !fault
#endif
				&& LIVING(LENDM) != 0) -> m = LIVING(LENDM) };
			if
			:: atomic { walive && ROOM -> down!REVOKE(m, 0); revoking = m;
#ifdef MUT_REVOKE_AT_SEND
				step(m, REVOKED); revoking = 0;
#endif
				m = 0 }
			:: atomic { !walive || !ROOM -> fault = true; m = 0 }
			fi
#ifndef MUT_REVOKE_FOREVER
		:: atomic { revoking -> fault = true; break }     /* its milliseconds are over */
#endif
		:: atomic { busy == 0 && revoking == 0 -> stopping = true; shut = true; lostup = len(up) > 0; break }
		od;
off:		phase = OVER;
		if
		:: stopping && !walive          /* it saw the end and left */
		:: true                         /* it is late, or to be ended anyway */
		fi;
P14:		atomic {
#ifndef MUT_NO_REAP
			if
			:: walive -> worker_dies()
			:: else
			fi
#else
			skip
#endif
		};
P15:		atomic { busy == 0 ->           /* the offers have come to their ends */
			shut = true;
			for (i : 0 .. ND - 1) {
				if
				:: st[i] == DELIVERED || st[i] == COMMITTED ->
					if
					:: revoking & (1 << i) -> step((1 << i), REVOKED)
					:: else -> step((1 << i), ORPHANED)
					fi
				:: else
				fi
			};
			revoking = 0; m = 0 }
	od;
	atomic { pend = true; ledger = 0; caller = 0 }
	} unless { pdead }
}

#include "worker.inc"

/* SIGKILL, at any step of either side, or not at all. */
proctype Killer() {
	do
	:: atomic { walive && wkills < WKILLS -> wkills++; worker_dies() }
	:: atomic { PKILLS && !pdead && !pend -> parent_dies() }
	:: break
	od
}

/* Probes turn "killed between any two steps" around: each must be reached. */
#ifdef KILLED_PARENT
proctype Probe() {
end_probe:
	pdead && KILLED_PARENT -> assert(killed_here)
}
#endif
#ifdef KILLED_WORKER
proctype Probe() {
end_probe:
	!walive && KILLED_WORKER -> assert(killed_here)
}
#endif

init {
	atomic {
		for (i : 0 .. ND - 1) { st[i] = NEW };
		run Watch();
#if defined(KILLED_PARENT) || defined(KILLED_WORKER)
		run Probe();
#endif
		run Parent();
#ifdef BATCH
		run Offer(0, ALL);
#else
		run Offer(0, 1);
#if ND > 1
		run Offer(1, 2);
#endif
#endif
		run Worker();
		run Killer()
	}
}
