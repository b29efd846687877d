package scmrights_test

import (
	"context"
	"fmt"
	"testing"

	"sallyport/pkg/scmrights"
)

// BenchmarkHandOver is one offer, its receipt, and the closing of what came,
// with both ends in this process.
func BenchmarkHandOver(b *testing.B) {
	for _, count := range []int{1, 16, 250} {
		b.Run(fmt.Sprintf("%d", count), func(b *testing.B) {
			conn, peer := connect(b, scmrights.Config{})
			f := file(b, "x")
			items := make([]scmrights.Item, count)
			for i := range items {
				items[i] = scmrights.Item{Name: fmt.Sprintf("a%d", i), Kind: scmrights.KindFile, Mode: scmrights.ModeMove, File: f}
			}
			go func() {
				for {
					e, err := peer.Receive(context.Background())
					if err != nil {
						return
					}
					for _, g := range e.Grants {
						g.Close()
					}
				}
			}()
			ctx := context.Background()
			b.ReportAllocs()
			for b.Loop() {
				grants, err := conn.Offer(trusted, items)
				if err != nil {
					b.Fatal(err)
				}
				for _, g := range grants {
					if err := g.Wait(ctx); err != nil {
						b.Fatal(err)
					}
					if err := g.Close(); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}
