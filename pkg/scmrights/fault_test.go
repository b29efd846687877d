//go:build fault

package scmrights_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"

	"sallyport/internal/testenv"
	"sallyport/pkg/scmrights"
)

func init() { roles["parent"] = offering }

// offering is a parent as a process of its own: it offers one file and ends.
func offering() error {
	f, err := scmrights.Inherited()
	if err != nil {
		return err
	}
	conn, err := scmrights.NewConn(f, scmrights.Config{})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if _, err := conn.Hello(ctx); err != nil {
		return err
	}
	if err := conn.Welcome(1); err != nil {
		return err
	}
	file, err := os.Open("testdata/vectors.txt")
	if err != nil {
		return err
	}
	grants, err := conn.Offer(trusted, []scmrights.Item{{Name: "v", Kind: scmrights.KindFile, Mode: scmrights.ModeMove, File: file}})
	if err != nil {
		return err
	}
	if err := grants[0].Wait(ctx); err != nil {
		return err
	}
	return conn.Close()
}

// TestWorkerKilledAtEveryPoint: up to the receipt a descriptor is lost, from
// the receipt on it is delivered; in no case is it both or neither.
func TestWorkerKilledAtEveryPoint(t *testing.T) {
	for point, want := range map[string]scmrights.State{
		"W2": scmrights.StateLost, "W3=kill:2": scmrights.StateLost, "W4": scmrights.StateLost,
		"W5": scmrights.StateLost, "W6": scmrights.StateDelivered,
	} {
		t.Run(point, func(t *testing.T) {
			testenv.CheckFDs(t)
			t.Setenv("SALLYPORT_FAULT", plan(point))
			conn, cmd := worker(t, "taker", scmrights.Config{})
			greet(t, conn)
			grants, err := conn.Offer(trusted, attribute(t, "a", scmrights.ModeMove))
			if err == nil {
				_ = grants[0].Wait(limit(t))
				if got := grants[0].State(); got != want {
					t.Errorf("killed at %s: the grant is %s, want %s", point, got, want)
				}
			} else if point != "W2" {
				t.Error(err)
			}
			if err := cmd.Wait(); err == nil || err.Error() != "signal: killed" {
				t.Errorf("the worker ended with: %v", err)
			}
		})
	}
}

// TestParentKilledAtEveryPoint: the worker has the descriptor when the record
// was sent, and sees the channel end.
func TestParentKilledAtEveryPoint(t *testing.T) {
	for point, sent := range map[string]bool{"P2": false, "P3": false, "P4": true, "P5": true, "P6": true, "P7": true} {
		t.Run(point, func(t *testing.T) {
			testenv.CheckFDs(t)
			parent, end, err := scmrights.Pair()
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command("/proc/self/exe")
			cmd.Env = append(os.Environ(), roleVariable+"=parent", scmrights.ChannelVariable+"=3", "SALLYPORT_FAULT="+plan(point))
			cmd.ExtraFiles = []*os.File{parent}
			cmd.Stderr = os.Stderr
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			parent.Close()
			peer, err := scmrights.Attach(end)
			if err != nil {
				t.Fatal(err)
			}
			defer peer.Close()
			e, err := peer.Receive(limit(t))
			if sent && len(e.Grants) == 1 {
				e.Grants[0].Close()
				_, err = peer.Receive(limit(t))
			} else if point == "P4" && errors.Is(err, io.EOF) {
				// killed while the worker was writing its receipt: it keeps nothing
			} else if sent {
				t.Errorf("the record was sent, the worker got %+v, %v", e, err)
			}
			if err != io.EOF {
				t.Errorf("the end of the channel: %v", err)
			}
			if err := cmd.Wait(); err == nil || err.Error() != "signal: killed" {
				t.Errorf("the parent ended with: %v", err)
			}
		})
	}
}

// TestLeakSwitch shows that the count of open descriptors can be wrong: the
// switch makes the ledger leave one open that it has struck off.
func TestLeakSwitch(t *testing.T) {
	t.Setenv("SALLYPORT_FAULT", "leak-fd=on")
	if !testenv.InSubprocess(t, nil) {
		return
	}
	before, _ := testenv.Descriptors()
	conn, peer := connect(t, scmrights.Config{})
	if _, err := conn.Offer(trusted, attribute(t, "a", scmrights.ModeMove)); err != nil {
		t.Fatal(err)
	}
	receiveGrants(t, peer)[0].File().Close()
	conn.Close()
	peer.Close()
	after, _ := testenv.Descriptors()
	if len(after) <= len(before) {
		t.Errorf("%d descriptors, before %d: the switch leaks nothing", len(after), len(before))
	}
}

func plan(point string) string {
	if len(point) == 2 {
		return point + "=kill"
	}
	return fmt.Sprint(point)
}
