// Command server makes the queue of a key, prints what clients say, and answers
// those that want a reply. Ctrl-C ends it and removes the queue.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"

	"sallyport/examples/sysv"
	"sallyport/pkg/sysvctl"
)

func main() {
	log.SetFlags(0)
	key := flag.Int("key", sysv.Key, "key of the queue")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := serve(ctx, sysvctl.Key(*key)); err != nil {
		log.Fatalf("server: %v", err)
	}
}

func serve(ctx context.Context, key sysvctl.Key) error {
	// Everybody may send and receive, as in the exercise. Adopt: a server that was killed left
	// its queue behind; one that somebody else made is refused.
	q, err := sysvctl.Create(key, sysvctl.Options{Mode: 0o666, Adopt: true})
	if err != nil {
		return err
	}
	defer q.Remove() // else it stays until the machine is started again
	fmt.Printf("waiting on queue %d\n", q.ID())
	return q.Serve(ctx, sysvctl.Service{
		Size: sysv.TextSize, Callers: 8,
		Answer: func(request []byte) []byte {
			fmt.Printf("asked: %q\n", request)
			return fmt.Appendf(nil, "got %q", request)
		},
		Plain: func(data []byte) {
			text, _, _ := bytes.Cut(data, []byte{0}) // C sends the end of the string as well
			fmt.Printf("told: %q\n", text)
			var pid sysvctl.Type
			if n, _ := fmt.Sscanf(string(text), "PID %d", &pid); n == 1 {
				reply := append(fmt.Appendf(nil, "confirmed to %d", pid), 0)
				if err := q.TrySend(pid, reply); err != nil { // the server never waits for a client
					log.Printf("no reply to %d: %v", pid, err)
				}
			}
		},
	})
}
