package install

import (
	"fmt"
	"slices"
	"strings"

	"sallyport/internal/config"
	"sallyport/internal/seccomp"
)

// Requests of ioctl, include/uapi/linux/gpio.h, i2c.h, i2c-dev.h, spi/spidev.h and
// asm-generic/ioctls.h.
const (
	gpioGetValues = 0xc010b40e
	gpioSetValues = 0xc010b40f
	gpioSetConfig = 0xc110b40d
	i2cSlave      = 0x703
	i2cTenBit     = 0x704
	i2cForce      = 0x706
	i2cReadWrite  = 0x707
	i2cSMBus      = 0x720
	spiMessage    = 0x40206b00
	spiMode       = 0x40016b01
	spiLSBFirst   = 0x40016b02
	spiWordSize   = 0x40016b03
	spiSpeed      = 0x40046b04
	spiMode32     = 0x40046b05
	ttySet        = 0x5402
	ttySetWait    = 0x5403
	ttySetFlush   = 0x5404
	ttySet2       = 0x402c542b
	ttyInject     = 0x5412
	ttyControl    = 0x540e
	ttyModem      = 0x5418
	ttyLine       = 0x5423
	unknown       = 0xdeadbeef // a request that nobody has pinned
	setStatus     = 4          // F_SETFL
	noWait        = 0x800      // IPC_NOWAIT
)

// want is a call without which a grant is of no use.
type want struct {
	call string
	args []uint64
}

// unfit is what the profile does not admit and the worker's grants need.
func unfit(b *seccomp.Bound, c *config.Config, w *config.Worker) (out []config.Objection) {
	lacks := func(list, name, grant string, wants ...want) {
		if slices.ContainsFunc(wants, func(x want) bool { return admitted(b, x.call, x.args...) }) {
			return
		}
		out = append(out, config.Objection{What: fmt.Sprintf("the policy %q does not admit %s, which %s needs", w.Policy, wants[0].words(b.Arch), grant),
			Why: "the worker would be ended at its first use", Fix: "take the profile that is made for it (sallyport policy list), or take the grant away", List: list, Name: name})
	}
	for _, name := range w.Devices {
		if d, ok := c.Device(name); ok {
			lacks("devices", name, fmt.Sprintf("the %s device %q", d.Kind, name), useOf(&d)...)
		}
	}
	for _, name := range w.Directories {
		lacks("directories", name, fmt.Sprintf("the directory %q", name), want{"fdatasync", nil}, want{"fsync", nil})
	}
	for _, name := range w.Sockets {
		if s, ok := c.Socket(name); ok && s.Listen && s.Network != "udp" {
			lacks("sockets", name, fmt.Sprintf("the listener %q", name), want{"accept4", nil}, want{"accept", nil})
		}
	}
	symbols := seccomp.Symbols()
	for _, q := range w.Queues {
		if len(q.Send) > 0 {
			lacks("", "", fmt.Sprintf("sending to the queue %q", q.Name), want{"msgsnd", []uint64{symbols["send_queues"][0], 0, symbols["frames"][0], noWait}})
		}
		if len(q.Receive) > 0 {
			lacks("", "", fmt.Sprintf("receiving from the queue %q", q.Name), want{"msgrcv", []uint64{symbols["receive_queues"][0], 0, symbols["frames"][0], 0, noWait}})
		}
	}
	if w.Protocol == 2 {
		lacks("", "", "the hand-over", want{"recvmsg", nil})
		lacks("", "", "the hand-over", want{"sendmsg", nil})
	}
	return out
}

// words is the call, with the request where it is one of a device.
func (x want) words(a seccomp.Arch) string {
	if nr, known := seccomp.CallNumber(a, x.call); known && x.call == "ioctl" {
		_, rest, _ := strings.Cut(seccomp.Describe(a, nr, [6]uint64{0, x.args[1]}), ", ")
		request, _, _ := strings.Cut(rest, ",")
		return "ioctl " + request
	}
	return x.call
}

// useOf are the calls of which a worker needs one to use a device.
func useOf(d *config.Device) []want {
	switch {
	case d.Kind == "gpio" && d.Output:
		return []want{{"ioctl", []uint64{3, gpioSetValues}}}
	case d.Kind == "gpio" && d.GPIO != nil && d.GPIO.Edges != "none":
		return []want{{"read", nil}} // an edge is a record to read
	case d.Kind == "gpio":
		return []want{{"ioctl", []uint64{3, gpioGetValues}}}
	case d.Kind == "i2c":
		return []want{{"ioctl", []uint64{3, i2cSMBus}}, {"read", nil}}
	case d.Kind == "spi":
		return []want{{"ioctl", []uint64{3, spiMessage}}, {"read", nil}}
	case d.Kind == "tty":
		return []want{{"read", nil}}
	case d.Output:
		return []want{{"pwrite64", nil}}
	}
	return []want{{"pread64", nil}}
}

// undone is what the profile admits and would let the worker do more with a grant
// than it was granted for.
func undone(b *seccomp.Bound, c *config.Config, w *config.Worker) (out []config.Objection) {
	found := make(map[string]bool)
	object := func(list, name, grant, why string, x want) {
		d, known := decide(b, x.call, x.args...)
		if !known || d.Action != seccomp.Allow || d.Acknowledged || found[grant+d.Rule] {
			return
		}
		found[grant+d.Rule] = true
		out = append(out, config.Objection{What: fmt.Sprintf("the policy %q admits %s (%s.policy:%d: %s) beside %s", w.Policy, x.words(b.Arch), d.Profile, d.Line, d.Rule, grant),
			Why: why, Fix: "pin the line to the requests that are needed, or put it into acknowledge { } with the reason", List: list, Name: name})
	}
	for _, name := range w.Devices {
		d, ok := c.Device(name)
		if !ok {
			continue
		}
		grant := fmt.Sprintf("the %s device %q", d.Kind, name)
		object("devices", name, grant, "a descriptor of a device can do more than was granted: the requests must be named", want{"ioctl", []uint64{3, unknown}})
		for _, r := range misuse[d.Kind] {
			object("devices", name, grant, r.why, want{"ioctl", []uint64{3, r.request}})
		}
	}
	for _, name := range w.Directories {
		grant := fmt.Sprintf("the directory %q", name)
		for _, x := range []want{{"ftruncate", nil}, {"ftruncate64", nil}, {"fallocate", nil}, {"copy_file_range", nil}, {"fcntl", []uint64{3, setStatus}}, {"fcntl64", []uint64{3, setStatus}}} {
			object("directories", name, grant, "what was appended could be taken away again", x)
		}
	}
	return out
}

// misuse are requests that turn a granted descriptor into another one.
var misuse = map[string][]struct {
	request uint64
	why     string
}{
	"gpio": {{gpioSetConfig, "it makes an input an output"}},
	"i2c": {{i2cSlave, "it aims the descriptor at another address"}, {i2cForce, "it aims the descriptor at another address, whoever has it"},
		{i2cTenBit, "it aims the descriptor at another address"}, {i2cReadWrite, "its addresses are in memory, where no filter sees them"}},
	"spi": {{spiMode, "the parent has set the mode"}, {spiLSBFirst, "the parent has set the bit order"}, {spiWordSize, "the parent has set the word"},
		{spiSpeed, "the parent has set the clock"}, {spiMode32, "the parent has set the mode"}},
	"tty": {{ttySet, "the parent has set the line"}, {ttySetWait, "the parent has set the line"}, {ttySetFlush, "the parent has set the line"}, {ttySet2, "the parent has set the line"},
		{ttyInject, "it puts words into somebody's terminal"}, {ttyControl, "it makes the line its terminal"}, {ttyModem, "it switches control lines"}, {ttyLine, "it loads a line discipline into the kernel"}},
}
