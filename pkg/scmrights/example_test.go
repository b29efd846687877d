package scmrights_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"sallyport/pkg/scmrights"
)

// A parent hands a file to a worker and closes its own right away. Here the
// worker is a goroutine; as a process of its own it would find its end with
// Inherited.
func Example() {
	ctx := context.Background()
	parent, worker, err := scmrights.Pair()
	if err != nil {
		fmt.Println(err)
		return
	}
	done := make(chan error)
	go func() { done <- work(worker) }()

	conn, err := scmrights.NewConn(parent, scmrights.Config{Name: "reader", PID: os.Getpid()})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	if _, err := conn.Hello(ctx); err != nil {
		fmt.Println(err)
		return
	}
	if err := conn.Welcome(1); err != nil {
		fmt.Println(err)
		return
	}
	f, err := os.Open("testdata/vectors.txt")
	if err != nil {
		fmt.Println(err)
		return
	}
	grants, err := conn.Offer(scmrights.Trusted("the worker is a goroutine of ours"), []scmrights.Item{
		{Name: "vectors", Kind: scmrights.KindFile, Mode: scmrights.ModeMove, File: f},
	})
	f.Close() // the Conn has its own copy
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := grants[0].Wait(ctx); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(<-done, grants[0].State(), conn.Ledger().Open)
	// Output:
	// vectors begins with "# handover/1"
	// <nil> delivered 0
}

func work(end *os.File) error {
	peer, err := scmrights.Attach(end)
	if err != nil {
		return err
	}
	defer peer.Close()
	e, err := peer.Receive(context.Background())
	if err != nil {
		return err
	}
	for _, g := range e.Grants {
		head := make([]byte, 12)
		if _, err := io.ReadFull(g.File(), head); err != nil {
			return err
		}
		fmt.Printf("%s begins with %q\n", g.Name, head)
		g.Close()
	}
	return nil
}

// What could not be handed over can be had back, for a successor.
func ExampleGrant_Reclaim() {
	parent, worker, err := scmrights.Pair()
	if err != nil {
		fmt.Println(err)
		return
	}
	conn, err := scmrights.NewConn(parent, scmrights.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	f, err := os.Open("testdata/vectors.txt")
	if err != nil {
		fmt.Println(err)
		return
	}
	grants, err := conn.Offer(scmrights.Trusted("an example"), []scmrights.Item{{Name: "v", Kind: scmrights.KindFile, Mode: scmrights.ModeMove, File: f}})
	f.Close()
	if err != nil {
		fmt.Println(err)
		return
	}
	worker.Close() // as the death of a worker does
	err = grants[0].Wait(context.Background())
	back, reclaimErr := grants[0].Reclaim()
	fmt.Println(errors.Is(err, scmrights.ErrLost), back != nil, reclaimErr)
	back.Close()
	// Output: true true <nil>
}
