// Package worker is the Go SDK for worker plugins: programs that read sensors,
// store readings or switch outputs without any privilege of their own.
//
// A worker is started by the supervisor with nothing but descriptor 3, its
// channel. Over that channel it is handed, already open, every descriptor that
// the configuration names, and learns its settings, its sensors and its queues.
// [Run] does all of this and then calls the plugin's function:
//
//	func main() {
//		worker.Run(func(ctx context.Context, w *worker.Worker) error {
//			return w.Every(ctx, w.Duration("every", 10*time.Second), func() error {
//				for name, value := range w.Values() {
//					if err := w.Reading(name, value); err != nil {
//						return err
//					}
//				}
//				return nil
//			})
//		})
//	}
//
// # What a worker may not do
//
// Its root directory is empty and its system calls are filtered, from before
// its first instruction. A call that the profile does not name ends the worker,
// and the supervisor says which call it was. In particular there are no files
// to open, no names to resolve, no programs to run and no time zones: use
// [time.Time.UTC], because formatting a local time opens /etc/localtime.
//
// # How it ends
//
// The function returns when its context ends (the supervisor said STOP) and the
// worker then exits 0. Returning nil before that means "finished, do not start
// me again". An error is printed on standard error, which the supervisor logs,
// and the exit code is 1; the supervisor starts the worker again and hands it
// the same descriptors. When the channel ends the supervisor is gone, and the
// worker exits at once.
//
// # Limits
//
// A name has at most 47 bytes, a unit 8 bytes, the text of an alert what a
// frame of 256 bytes leaves. One process is one worker: [Run] is called once.
// Programs that are not started by Sallyport have no use for this package;
// package scmrights passes descriptors between any two processes.
package worker
