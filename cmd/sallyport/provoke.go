package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"
)

const victim = "sampler"

// killSampler sends a real SIGKILL to the process that `status` names. Nobody
// tells the supervisor: it finds out as it would of any crash.
func (d *demo) killSampler(ctx context.Context) error {
	items, err := d.client.Ask(ctx, "status", nil)
	if err != nil {
		return err
	}
	for _, item := range items {
		var w workerRow
		if err := json.Unmarshal(item, &w); err != nil {
			return fmt.Errorf("status: %w", err)
		}
		if w.Worker != victim || w.PID == 0 {
			continue
		}
		process, err := os.FindProcess(w.PID)
		if err != nil {
			return err
		}
		defer process.Release()
		if err := process.Kill(); err != nil {
			return fmt.Errorf("kill the %s, process %d: %w", victim, w.PID, err)
		}
		if !d.json {
			d.show.line(time.Now(), "KILLED", fmt.Sprintf("%s, process %d, by this demo", victim, w.PID))
		}
	}
	return nil
}
