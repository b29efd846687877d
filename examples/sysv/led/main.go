// Command led switches a lamp by messages.
//
//	led control OUTPUT    makes the queue and switches; ends at "exit"
//	led on | off | exit   tells it to
//
// OUTPUT is a file that takes one byte, '1' or '0', at its beginning: that of a
// lamp of the kernel (/sys/class/leds/NAME/brightness, which may be a GPIO line
// by device tree), a simulated output, or "fd:N", an output that a parent opened
// and granted, so that this program needs no right to open anything: such a file,
// or the descriptor of a requested GPIO line.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"strconv"
	"strings"

	"github.com/warthog618/go-gpiocdev/uapi"
	"golang.org/x/sys/unix"

	"sallyport/examples/sysv"
	"sallyport/pkg/sysvctl"
)

const (
	command sysvctl.Type = 1 // with the text ON or OFF
	exit    sysvctl.Type = 2
)

func main() {
	log.SetFlags(0)
	if err := run(os.Args[1:]); err != nil {
		log.Fatalf("led: %v", err)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 2 && args[0] == "control":
		return control(args[1])
	case len(args) == 1 && (args[0] == "on" || args[0] == "off"):
		return tell(command, strings.ToUpper(args[0]))
	case len(args) == 1 && args[0] == "exit":
		return tell(exit, "")
	}
	return errors.New("usage: led control OUTPUT | on | off | exit")
}

func tell(t sysvctl.Type, text string) error {
	me := uint32(os.Geteuid())
	q, err := sysvctl.Open(sysv.Key, sysvctl.Wanted{CUID: me, UID: me})
	if err != nil {
		return err
	}
	return q.TrySend(t, []byte(text))
}

func control(output string) (err error) {
	lamp, err := open(output)
	if err != nil {
		return err
	}
	defer lamp.Close()
	q, err := sysvctl.Create(sysv.Key, sysvctl.Options{})
	if err != nil {
		return err
	}
	// Whatever ends it leaves the lamp off and no queue.
	defer func() { err = errors.Join(err, set(lamp, '0'), q.Remove()) }()
	if err := set(lamp, '0'); err != nil {
		return err
	}
	r, err := q.Receiver(context.Background(), sysvctl.UpTo(exit), 16)
	if err != nil {
		return err
	}
	defer r.Close()
	for m, err := range r.All() {
		if err != nil {
			return err
		}
		if m.Type == exit {
			return nil
		}
		level, known := map[string]byte{"ON": '1', "OFF": '0'}[strings.TrimRight(string(m.Data), "\x00")]
		if !known {
			log.Printf("not understood: %q", m.Data)
			continue
		}
		if err := set(lamp, level); err != nil {
			return err
		}
		fmt.Printf("%s\n", m.Data)
	}
	return nil
}

func open(output string) (*os.File, error) {
	if text, granted := strings.CutPrefix(output, "fd:"); granted {
		n, err := strconv.ParseUint(text, 10, 16)
		if err != nil {
			return nil, fmt.Errorf("output %q: %w", output, err)
		}
		return os.NewFile(uintptr(n), output), nil
	}
	return os.OpenFile(output, os.O_WRONLY, 0)
}

// set switches a line by its own request; what is no line takes a byte.
func set(lamp *os.File, level byte) error {
	err := uapi.SetLineValuesV2(lamp.Fd(), uapi.LineValues{Bits: uapi.NewLineBitmap(int(level - '0')), Mask: 1})
	if errors.Is(err, unix.ENOTTY) || errors.Is(err, unix.EINVAL) { // sysfs says EINVAL
		_, err = lamp.WriteAt([]byte{level}, 0)
	}
	return err
}
