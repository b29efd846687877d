// Command alarm switches a lamp on at every alert, and off when none came for
// a while. The lamp is a line of a GPIO chip, or a simulated output.
//
//	settings = { hold = "5s" }
package main

import (
	"context"
	"time"

	"sallyport/pkg/worker"
)

func main() { worker.Run(alarm) }

func alarm(ctx context.Context, w *worker.Worker) error {
	lamp := &lamp{hold: w.Duration("hold", 5*time.Second), set: func(level byte) error {
		return w.Switch("lamp", level == '1')
	}}
	defer lamp.off()
	for item, err := range w.Items(ctx) {
		if err != nil {
			return err
		}
		if !item.Alert {
			continue
		}
		w.Logf("%s: %s", item.Sensor, item.Text)
		if err := lamp.alert(time.Now()); err != nil {
			return err
		}
		time.AfterFunc(lamp.hold, func() {
			if err := lamp.settle(time.Now()); err != nil {
				w.Logf("lamp: %v", err)
			}
		})
	}
	return nil
}
