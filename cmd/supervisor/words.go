package main

import (
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"sallyport/internal/control"
	"sallyport/internal/lane"
	"sallyport/internal/monitor"
)

// words maps the kinds of MESSAGE that a worker sends to the monitor's table.
var words = map[uint16]monitor.Word{
	lane.MsgReady: monitor.WordReady, lane.MsgAlive: monitor.WordAlive, lane.MsgStatus: monitor.WordStatus,
	lane.MsgLost: monitor.WordLost, lane.MsgDone: monitor.WordDone, lane.MsgNext: monitor.WordNext,
	lane.MsgSeen: monitor.WordSeen, lane.MsgCount: monitor.WordCount,
}

// word is a MESSAGE of a worker that its session passed on to the loop.
type word struct {
	kind uint16
	body []byte
	seq  uint64 // of the record it came in
	// again is set when the supervisor repeats a LOST to itself.
	again bool
}

const (
	maxStatus = 256 // bytes of a STATUS text
	maxName   = 47  // bytes of a grant's name
)

// hear judges one word: a word that the state does not allow, or that is not of
// its form, ends the worker.
func (w *worker) hear(said word) {
	kind, known := words[said.kind]
	if !known {
		w.fault("sent MESSAGE kind %d, which nothing is known of", said.kind)
		return
	}
	if !monitor.Allowed(w.mon.State(), kind) {
		w.fault("said %v while %v", kind, w.mon.State())
		return
	}
	switch kind {
	case monitor.WordReady:
		w.session.readySeq = said.seq
		w.handle(monitor.Event{Kind: monitor.Readied})
		return
	case monitor.WordDone:
		w.handle(monitor.Event{Kind: monitor.Finished})
	case monitor.WordStatus:
		w.setStatusText(said.body)
	case monitor.WordLost, monitor.WordNext:
		w.renew(kind, said)
	case monitor.WordSeen:
		w.seen(said.body)
	case monitor.WordCount:
		w.count(said.body)
	}
	if said.again {
		return // no sign of life
	}
	w.handle(monitor.Event{Kind: monitor.Heard})
	if w.mon.State() == monitor.Stopping {
		// It leaves when it knows that its last word was heard. When it is gone
		// already, nobody waits for that.
		_ = w.session.conn.Acknowledge(said.seq)
	}
}

// fault ends the worker for what it said.
func (w *worker) fault(format string, args ...any) {
	w.handle(monitor.Event{Kind: monitor.Failed, Reason: "protocol: it " + fmt.Sprintf(format, args...)})
}

func (w *worker) setStatusText(body []byte) {
	if len(body) > maxStatus {
		w.fault("sent a STATUS of %d bytes, at most %d are allowed", len(body), maxStatus)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.shown.Says = strings.ToValidUTF8(string(body), "?")
}

// renew answers LOST and NEXT: the named grant is opened anew and offered, as
// soon as that can be done.
func (w *worker) renew(kind monitor.Word, said word) {
	body := said.body
	name := string(body)
	if len(body) == 0 || len(body) > maxName || !w.mayHold(name) {
		w.fault("said %v of %.60q, which it was never granted", kind, name)
		return
	}
	item, owned, err := w.s.now().inputs.reopen(name)
	if err != nil {
		// One attempt after the other, however often the worker says it.
		if first := !w.session.missing[name]; first || said.again {
			if first {
				w.log.Warn("cannot open again; will go on trying", "grant", name, "every", reopenEvery, "why", err)
			}
			w.session.missing[name] = true
			w.session.hearAgain(said)
		}
		return
	}
	delete(w.session.missing, name)
	w.log.Info("granting again", "grant", name, "after", kind.String())
	w.session.regrant(item, owned)
}

// reopenEvery is how often a lost device is looked for.
const reopenEvery = 2 * time.Second

// hearAgain lets the loop hear a word once more, if the session lives.
func (x *session) hearAgain(said word) {
	said.again = true
	time.AfterFunc(reopenEvery, func() {
		select {
		case x.w.inbox <- note{epoch: x.epoch, word: &said}:
		case <-x.done:
		}
	})
}

func (w *worker) seen(body []byte) {
	s, err := lane.DecodeSeen(body)
	if err != nil {
		w.fault("sent a SEEN that cannot be read: %v", err)
		return
	}
	sensor, known := w.s.sensor(s.Sensor)
	if !known {
		w.fault("sent a SEEN of sensor %d, which does not exist", s.Sensor)
		return
	}
	w.s.hub.Publish(control.Alert{Sensor: sensor.name, Value: sensor.lastAlert(), Receiver: w.cfg.Name,
		Overtook: s.Overtook, LatencyUS: s.LatencyUS})
}

func (w *worker) count(body []byte) {
	c, err := lane.DecodeCount(body)
	if err != nil {
		w.fault("sent a COUNT that cannot be read: %v", err)
		return
	}
	w.s.tally.report(w.cfg.ID, c)
}

// stopPayload is the body of STOP: the grace in milliseconds.
func stopPayload() []byte {
	return binary.LittleEndian.AppendUint32(nil, uint32(stopGrace.Milliseconds()))
}
