package worker_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"sallyport/internal/lane"
	"sallyport/internal/testenv"
	"sallyport/internal/workertest"
	"sallyport/pkg/scmrights"
	"sallyport/pkg/worker"
)

// TestRevoked: what the supervisor takes back the SDK closes and says so, lent
// or shared, and the plugin finds it not granted.
func TestRevoked(t *testing.T) {
	warm(t)
	testenv.CheckFDs(t)
	taken := make(chan struct{})
	s := begin(t, func(ctx context.Context, w *worker.Worker) error {
		<-taken
		for _, name := range []string{"lent", "shared"} {
			if _, err := w.File(name); !errors.Is(err, worker.ErrNotGranted) {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		return nil
	})
	var grants []*scmrights.Grant
	for name, mode := range map[string]scmrights.Mode{"lent": scmrights.ModeLend, "shared": scmrights.ModeShare} {
		item := scmrights.Item{Name: name, Kind: scmrights.KindMemfd, Mode: mode, Access: scmrights.AccessBoth, File: workertest.Memfd(t, "1")}
		got, err := s.Conn.Offer(scmrights.Trusted("a test"), []scmrights.Item{item})
		if err != nil {
			t.Fatal(err)
		}
		grants = append(grants, got...)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for _, g := range grants {
		if err := g.Wait(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Conn.Revoke(ctx, grants...); err != nil {
		t.Fatal(err)
	}
	for _, g := range grants {
		if g.State() != scmrights.StateRevoked {
			t.Errorf("%s is %s", g.Name(), g.State())
		}
	}
	close(taken)
	s.Start(lane.Start{})
	if err := s.End(); err != nil {
		t.Error(err)
	}
}
