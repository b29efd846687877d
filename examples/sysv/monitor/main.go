// Command monitor prints the state of the queue of a key. `sallyport queue stat`
// and `watch` say more; this is all that it takes.
package main

import (
	"fmt"
	"log"
	"os"
	"strconv"

	"sallyport/pkg/sysvctl"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 2 {
		log.Fatal("usage: monitor KEY")
	}
	key, err := strconv.ParseInt(os.Args[1], 0, 32)
	if err != nil {
		log.Fatalf("monitor: key: %v", err)
	}
	// Anyone: it looks, and trusts nobody.
	q, err := sysvctl.Open(sysvctl.Key(key), sysvctl.Wanted{Anyone: true})
	if err != nil {
		log.Fatalf("monitor: %v", err)
	}
	st, err := q.Stat()
	if err != nil {
		log.Fatalf("monitor: %v", err)
	}
	fmt.Printf("id %d\nmessages %d\nbytes %d of %d\nlast sender %d\nlast receiver %d\n",
		st.ID, st.Messages, st.Bytes, st.QBytes, st.Sender, st.Receiver)
}
