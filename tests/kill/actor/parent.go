package main

import (
	"context"
	"fmt"
	"os"

	"sallyport/internal/fault"
	"sallyport/pkg/scmrights"
	"sallyport/tests/kill/wire"
)

var proof = scmrights.Trusted("both ends are a test's")

// parent is what a supervisor is to one worker after the other: it keeps what
// the last one did not get, or shared, and offers it to the next.
type parent struct {
	conn    *scmrights.Conn
	grants  []*scmrights.Grant
	kept    map[string]*os.File
	trouble string
}

// offer hands the items over and says how every grant ended.
func (p *parent) offer(o wire.Order) (answer wire.Answer) {
	answer.Say = wire.SayFate
	p.settle()
	defer func() { answer.Trouble, p.trouble = p.trouble, "" }()
	conn, files, err := p.open(o)
	if err != nil {
		p.note(err)
		return answer
	}
	p.conn = conn
	say(wire.Answer{Say: wire.SayTaken})
	ctx, cancel := context.WithTimeout(context.Background(), stuckAfter)
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
				answer.Fates = append(answer.Fates, wire.Fate{Name: it.Name, State: wire.Unsent, Batch: it.Batch, Err: err.Error()})
				continue
			}
			p.note(files[first+i].Close()) // at once: the ledger has its own
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
		f.State, f.Number = g.State().String(), g.WorkerFD()
		answer.Fates = append(answer.Fates, f)
	}
	return answer
}

// open fetches the channel and the files, and takes kept ones where the order
// brings none.
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
			return nil, nil, fmt.Errorf("nothing was kept under the name %s", it.Name)
		}
		files = append(files, f)
	}
	conn, err := scmrights.NewConn(channel, scmrights.Config{PID: o.Worker})
	if err != nil {
		for i, it := range o.Items {
			p.keep(it.Name, files[i])
		}
	}
	return conn, files, err
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
	p.note(p.conn.Close())
	if b := p.conn.Ledger(); b.Open != 0 || b.Pipes != 0 || b.Taken != b.Closed+b.Reclaimed {
		p.note(fmt.Errorf("the ledger is not even after Close: %+v", b))
	}
	p.conn, p.grants = nil, nil
}

// end closes everything.
func (p *parent) end() wire.Answer {
	p.settle()
	for name, f := range p.kept {
		p.note(f.Close())
		delete(p.kept, name)
	}
	answer := wire.Answer{Say: wire.SayEnded, Trouble: p.trouble}
	p.trouble = ""
	return answer
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

func (p *parent) note(err error) {
	if err != nil {
		p.trouble += err.Error() + "; "
	}
}
