package main

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/fault"
	"sallyport/pkg/scmrights"
	"sallyport/tests/kill/wire"
)

var proof = scmrights.Trusted("both ends are a test's")

// parent is what a supervisor is to one worker after the other: it keeps what
// the last one did not get, or shared, and offers it to the next.
type parent struct {
	conn   *scmrights.Conn
	worker *os.File // its pidfd
	grants []*scmrights.Grant
	kept   map[string]*os.File

	failed, trouble string // of the next answer
}

// offer hands the items over and says how every grant ended.
func (p *parent) offer(o wire.Order) wire.Answer {
	p.settle()
	return p.answer(wire.SayFate, p.handOver(o))
}

// answer takes along what went wrong since the last one.
func (p *parent) answer(say string, fates []wire.Fate) wire.Answer {
	a := wire.Answer{Say: say, Fates: fates, Failed: p.failed, Trouble: p.trouble}
	p.failed, p.trouble = "", ""
	return a
}

func (p *parent) handOver(o wire.Order) (fates []wire.Fate) {
	conn, files, err := p.open(o)
	if err != nil {
		p.fail(err)
		return p.keepAll(o, files)
	}
	p.conn = conn
	say(wire.Answer{Say: wire.SayTaken})
	ctx, cancel := waits(o)
	defer cancel()
	_, err = conn.Hello(ctx)
	if err == nil {
		err = conn.Welcome(o.Epoch)
	}
	batchOf := map[*scmrights.Grant]int{}
	for first := 0; first < len(o.Items); {
		next := first
		for next < len(o.Items) && o.Items[next].Batch == o.Items[first].Batch {
			next++
		}
		batch := o.Items[first:next]
		var grants []*scmrights.Grant
		if err == nil {
			grants, err = conn.Offer(proof, itemsOf(batch, files[first:next]))
		}
		for i, it := range batch {
			if err != nil {
				p.keep(it.Name, files[first+i])
				fates = append(fates, wire.Fate{Name: it.Name, State: wire.Unsent, Batch: it.Batch, Err: err.Error()})
				continue
			}
			if scmrights.Mode(it.Mode) != scmrights.ModeExclusive { // those Offer closes itself
				p.fail(files[first+i].Close()) // at once: the ledger has its own
			}
			batchOf[grants[i]] = it.Batch
		}
		p.grants = append(p.grants, grants...)
		first = next
	}
	for _, g := range p.grants {
		f := wire.Fate{Name: g.Name(), Batch: batchOf[g]}
		if err := g.Wait(ctx); err != nil {
			f.Err = err.Error()
		}
		f.State, f.Number, f.Attempts = g.State().String(), g.WorkerFD(), g.Attempts()
		fates = append(fates, f)
	}
	return fates
}

// open fetches the channel and the files, and takes kept ones where the order
// brings none. With an error it returns the files that are open.
func (p *parent) open(o wire.Order) (*scmrights.Conn, []*os.File, error) {
	numbers := []int{o.Channel}
	for _, it := range o.Items {
		if it.FD >= 0 {
			numbers = append(numbers, it.FD)
		}
	}
	own, err := fetch(o.PID, numbers...)
	if err != nil {
		return nil, nil, err
	}
	channel, own := os.NewFile(uintptr(own[0]), "channel"), own[1:]
	var files []*os.File
	for _, it := range o.Items {
		f := p.kept[it.Name]
		delete(p.kept, it.Name)
		if it.FD >= 0 {
			f, own = os.NewFile(uintptr(own[0]), it.Name), own[1:]
		}
		if f == nil {
			p.note(fmt.Errorf("nothing was kept under the name %s", it.Name))
			return nil, nil, os.ErrNotExist
		}
		files = append(files, f)
	}
	pidfd, err := unix.PidfdOpen(o.Worker, 0)
	if err != nil {
		p.fail(channel.Close())
		return nil, files, os.NewSyscallError("pidfd_open", err)
	}
	p.worker = os.NewFile(uintptr(pidfd), "worker")
	half := time.Duration(o.Limit) * time.Millisecond / 2
	conn, err := scmrights.NewConn(channel, scmrights.Config{PID: o.Worker, PidFD: p.worker, Compare: 2,
		SendTimeout: half, ReceiptTimeout: half, CommitTimeout: half, RevokeTimeout: half,
		Resends: resends})
	if err != nil {
		p.fail(p.worker.Close())
	}
	return conn, files, err
}

// keepAll keeps files of which none was offered.
func (p *parent) keepAll(o wire.Order, files []*os.File) (fates []wire.Fate) {
	for i, f := range files {
		it := o.Items[i]
		p.keep(it.Name, f)
		fates = append(fates, wire.Fate{Name: it.Name, State: wire.Unsent, Batch: it.Batch, Err: "no channel"})
	}
	return fates
}

func itemsOf(batch []wire.Item, files []*os.File) []scmrights.Item {
	items := make([]scmrights.Item, len(batch))
	for i, it := range batch {
		items[i] = scmrights.Item{Name: it.Name, Kind: scmrights.Kind(it.Kind), Mode: scmrights.Mode(it.Mode), Access: scmrights.Access(it.Access), File: files[i]}
	}
	return items
}

// settle takes back what the last worker did not get, or shared, and closes
// its channel. The ledger must come out even.
func (p *parent) settle() {
	if p.conn == nil {
		return
	}
	for _, g := range p.grants {
		if fault.On("lose") {
			continue // on purpose: nothing is taken back
		}
		if f, err := g.Reclaim(); err == nil {
			p.keep(g.Name(), f)
		}
	}
	p.fail(p.conn.Close())
	p.fail(p.worker.Close())
	if b := p.conn.Ledger(); b.Open != 0 || b.Pipes != 0 || b.Taken != b.Closed+b.Reclaimed {
		p.note(fmt.Errorf("the ledger is not even after Close: %+v", b))
	}
	p.conn, p.grants = nil, nil
}

// resends are enough for a worker that is short of numbers for some seconds.
const resends = 8

// recall takes back what was lent and says how it went.
func (p *parent) recall(o wire.Order) wire.Answer {
	ctx, cancel := waits(o)
	defer cancel()
	var lent []*scmrights.Grant
	for _, g := range p.grants {
		if g.Mode() == scmrights.ModeLend && g.State() == scmrights.StateDelivered {
			lent = append(lent, g)
		}
	}
	err := p.conn.Revoke(ctx, lent...)
	var fates []wire.Fate
	for _, g := range lent {
		f := wire.Fate{Name: g.Name(), State: g.State().String()}
		if err != nil {
			f.Err = err.Error()
		}
		fates = append(fates, f)
	}
	return p.answer(wire.SayRecalled, fates)
}

// part closes the channel and keeps what can be offered again.
func (p *parent) part() wire.Answer {
	p.settle()
	return p.answer(wire.SayParted, nil)
}

// end closes everything.
func (p *parent) end() wire.Answer {
	p.settle()
	for name, f := range p.kept {
		p.fail(f.Close())
		delete(p.kept, name)
	}
	return p.answer(wire.SayEnded, nil)
}

func (p *parent) keep(name string, f *os.File) {
	if p.kept == nil {
		p.kept = map[string]*os.File{}
	}
	if p.kept[name] != nil {
		p.note(fmt.Errorf("two descriptors under the name %s", name))
	}
	p.kept[name] = f
}

func (p *parent) fail(err error) {
	if err != nil {
		p.failed += err.Error() + "; "
	}
}

func (p *parent) note(err error) {
	if err != nil {
		p.trouble += err.Error() + "; "
	}
}
