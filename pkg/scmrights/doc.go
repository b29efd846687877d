// Package scmrights hands open descriptors from a privileged parent to a worker
// and tells the parent what became of each one.
//
// A channel is one SOCK_SEQPACKET socketpair. The parent has a [Conn], the
// worker a [Peer], or any program in any language that speaks the protocol.
//
//	parent                                  worker
//	Pair, start the worker with its end
//	NewConn                                 Attach
//	        <- HELLO versions, credit
//	Hello
//	Welcome    WELCOME epoch ->
//	Offer      OFFER slots, descriptors,
//	           write end of a pipe ->       Receive: collect, compare,
//	        <= receipt in the pipe, EOF              write the receipt, close the pipe,
//	Grant.Wait                                       and only then return the files
//
// # What the acknowledgement is for
//
// FreeBSD's sendmmsg(2) warns that a descriptor which is closed before its
// message was received may arrive closed, and leaves the remedy to programs. On
// Linux that does not happen: sendmsg takes a reference to every file
// (scm_fp_copy in net/core/scm.c), so that closing a descriptor after sendmsg is
// back, or dying, takes nothing from the receiver. These go wrong on Linux:
//
//   - The number is closed, or belongs to another file, before sendmsg looks at
//     it. In Go the collector is enough: an int from (*os.File).Fd does not keep
//     the File. So Offer makes its own copies first, and no int is ever taken.
//   - The receiver has too few free numbers, or too small a control buffer, or a
//     security module objects: recvmsg succeeds, the rest of the descriptors is
//     gone for good, and a flag is all that tells (MSG_CTRUNC). The kernel fills
//     in order and stops at the first that fails, so the last descriptor of an
//     offer, the receipt pipe, is always among the missing: the pipe ends without
//     a receipt, and the parent knows.
//   - The receiver dies before it reads. Its queue is freed, the pipe with it.
//   - The parent does not know which copy it may close, what to give to a
//     successor, and whether what arrived is what was sent. A receipt says so
//     for each descriptor; because it is in a pipe, it can be read after the
//     worker's death, where a socket would report ECONNRESET.
//
// A grant is delivered, refused, or lost; lost ones are sent again to a living
// worker, at most Config.Resends times, and can be had back with
// [Grant.Reclaim]. What a worker refuses for want of descriptor numbers is sent
// again when it says CREDIT, and not before. The fourth end, expired, is a worker
// that neither writes a receipt nor closes the pipe in time, or writes rubbish, or
// has not answered when the Conn is closed: whether it has the descriptor nobody
// knows, and it should be ended.
//
// # Modes
//
//	ModeShare      both have it; the successor of a worker gets it again
//	ModeMove       the parent's copy is closed when the receipt is in
//	ModeExclusive  one holder, looked at: the worker's copy is fetched and compared,
//	               no other descriptor of the parent leads to the open file, the
//	               parent's copy is closed, and only COMMIT shows it to the plugin
//	ModeLend       [Conn.Revoke] takes it back: the worker's library closes it and
//	               says RELEASED, or the channel ends at the deadline
//
// That the worker's copy is the same open file is identity level 2: pidfd_getfd(2)
// by Config.PidFD, then fcntl(F_DUPFD_QUERY), else kcmp(2), else fstat(2), which
// knows inodes only. [Config] can have a share of the other modes looked at too.
//
// What exclusive does not show: a worker that has duplicated the descriptor, or
// sent it on, before or after COMMIT, cannot be seen by its parent; an honest
// library does not, and what a taken-over worker may call its confinement decides.
// Nor is a copy seen that another process got before the offer.
//
// # Ends of a worker
//
// [Conn.Receive] returns io.EOF when the worker said BYE and when it died;
// [Conn.Bye] tells them apart. ErrProtocol, ErrForged, ErrShared and ErrKept mean
// that the worker is to be ended; Config.OnFault hears of them first.
//
// # Accounts
//
// [Conn.Ledger] counts, and an [Auditor] compares the accounts of any number of
// Conns with /proc at any moment, and says what differs. A [Budget] bounds what
// several Conns have on their way at once.
//
// # Ownership
//
// NewConn and Attach take the file they are given. Offer borrows the files of
// its items and holds copies, which [Conn.Ledger] counts: a copy is closed when
// its receipt is in (ModeMove), before COMMIT (ModeExclusive, of which Offer takes
// the file too), by [Grant.Close], or by [Conn.Close]. What Receive returns is the
// receiver's to close; what was lent its Peer closes when it is revoked. Files whose reads never wait come without
// O_NONBLOCK, so that the runtime's poller leaves them alone.
//
// What is offered more than once, to the successors of a worker or to several
// workers, can be held: [Hold] copies and looks at it once, and [Held.Item] goes
// into any number of offers, in which it costs no system call of the parent's. Its
// owner closes it; the ledger counts its grants apart (Balance.Borrowed).
//
// # Waiting
//
// Who calls [Grant.Wait] right after an offer reads the receipt in its own
// goroutine, and for up to 5 ms holds on to its processor while it waits in
// poll(2), which is what makes a hand-over quick. An answer that takes longer is
// waited for with the runtime's poller.
//
// # The plain layer
//
// [Socket] passes descriptors over any AF_UNIX socket, stream, seqpacket or
// datagram, connected or not, to peers that do not speak the protocol. There is
// no receipt: what Send says is that the kernel has taken it. It answers for the
// rest: short writes, descriptors that are attached once, a number that cannot
// be closed or change its file while it is sent, room for no more descriptors
// than are welcome, close-on-exec, truncation, batches, the sender's credentials
// and pidfd. The Conn and the Peer do not use it: they want every descriptor
// that a rogue sends, to count it.
//
// # Small peers
//
// A program that cannot or need not speak all of it receives one OFFER with
// [ReceiveOffer], without HELLO, and answers with one byte, [Offered.Receipt].
// [Offered.Activate] makes of the descriptors what sd_listen_fds(3) expects, for
// a program that is executed next.
//
// # Limits
//
// At most 250 descriptors an offer ([Conn.OfferAll] makes several), 32 KiB a
// record, 512 bytes a record from a worker. Linux only. It is not for peers that share no socketpair, and it
// is no protection by itself: what a worker may do with a descriptor is decided
// by how it was opened and by the worker's confinement, of which Offer asks a
// [Proof].
package scmrights
