// Command client asks the server and prints its reply. With -plain it only says
// something; with -pid it asks the way of the textbooks.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"strings"
	"time"

	"sallyport/examples/sysv"
	"sallyport/pkg/sysvctl"
)

func main() {
	log.SetFlags(0)
	key := flag.Int("key", sysv.Key, "key of the queue")
	plain := flag.Bool("plain", false, "want no reply")
	byPID := flag.Bool("pid", false, "want a reply whose type is the process id")
	uid := flag.Int("server", os.Getuid(), "user id of the server")
	wait := flag.Duration("wait", 10*time.Second, "for room, and for the reply")
	flag.Parse()
	ctx, cancel := context.WithTimeout(context.Background(), *wait)
	defer cancel()
	// Whose queue it is decides who reads what is sent: the creator keeps control for good.
	q, err := sysvctl.Open(sysvctl.Key(*key), sysvctl.Wanted{CUID: uint32(*uid), UID: uint32(*uid)})
	if err == nil {
		err = talk(ctx, q, strings.Join(flag.Args(), " "), *plain, *byPID)
	}
	if err != nil {
		log.Fatalf("client: %v", err)
	}
}

func talk(ctx context.Context, q *sysvctl.Queue, text string, plain, byPID bool) error {
	buf := make([]byte, sysv.TextSize+64)
	if !plain && !byPID {
		reply, err := q.Call(ctx, []byte(text), buf)
		if err == nil {
			fmt.Printf("%s\n", reply)
		}
		return err
	}
	if byPID {
		text = fmt.Sprintf("PID %d %s", os.Getpid(), text)
	}
	if err := q.Send(ctx, sysvctl.TypePlain, append([]byte(text), 0)); err != nil || plain {
		return err
	}
	m, err := q.Receive(ctx, sysvctl.Exactly(sysvctl.Type(os.Getpid())), buf)
	if err == nil {
		fmt.Printf("%s\n", bytes.TrimRight(m.Data, "\x00"))
	}
	return err
}
