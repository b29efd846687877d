package doctor

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/warthog618/go-gpiocdev/uapi"
	"golang.org/x/sys/unix"
)

// buses are the device nodes of I2C, SPI and the slaves of 1-Wire. A machine
// without them is in order: only a configuration can miss them.
func buses(h Host) []Finding {
	var all []Finding
	adapters, nodes := h.glob("sys/bus/i2c/devices/i2c-*"), h.glob("dev/i2c-*")
	switch {
	case len(adapters) > 0 && len(nodes) == 0:
		all = one("i2c", Warn, "sudo modprobe i2c-dev; echo i2c-dev | sudo tee /etc/modules-load.d/i2c-dev.conf", "%d buses and no device nodes: i2c-dev is not loaded", len(adapters))
	case len(nodes) == 0:
		all = one("i2c", OK, "", "no bus (a Raspberry Pi: sudo raspi-config nonint do_i2c 0)")
	default:
		all = one("i2c", OK, "", "%s", strings.Join(described(h, nodes, "sys/bus/i2c/devices/%s/name"), ", "))
	}
	if nodes = h.glob("dev/spidev*"); len(nodes) == 0 {
		all = append(all, one("spi", OK, "", "no device (a Raspberry Pi: sudo raspi-config nonint do_spi 0)")...)
	} else {
		all = append(all, one("spi", OK, "", "%s", strings.Join(described(h, nodes, ""), ", "))...)
	}
	slaves := h.glob("sys/bus/w1/devices/[0-9a-f][0-9a-f]-*")
	if len(slaves) == 0 {
		return append(all, one("1-wire", OK, "", "no slave (a Raspberry Pi: dtoverlay=w1-gpio in config.txt)")...)
	}
	return append(all, one("1-wire", OK, "", "%s", strings.Join(described(h, slaves, ""), ", "))...)
}

// described gives base names, each with the text of a file about it.
func described(h Host, paths []string, about string) []string {
	var out []string
	for _, p := range paths {
		name := filepath.Base(p)
		if about != "" {
			if text, err := h.read(fmt.Sprintf(about, name)); err == nil {
				name += fmt.Sprintf(" (%s)", strings.TrimSpace(text))
			}
		}
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// gpioChips names the chips by their labels, by which a configuration does.
func gpioChips(h Host) []Finding {
	nodes := h.glob("dev/gpiochip*")
	if len(nodes) == 0 {
		return one("gpio", OK, "", "no chip")
	}
	var labels, refused []string
	for _, node := range nodes {
		label, lines, err := chip(node)
		if err != nil {
			refused = append(refused, fmt.Sprintf("%s: %v", node, err))
			continue
		}
		labels = append(labels, fmt.Sprintf("%q (%d lines, %s)", label, lines, filepath.Base(node)))
	}
	if len(labels) == 0 {
		return one("gpio", Warn, "run as root, or join the group gpio", "%s", strings.Join(refused, "; "))
	}
	return one("gpio", OK, "", "%s", strings.Join(labels, ", "))
}

func chip(node string) (label string, lines uint32, err error) {
	fd, err := unix.Open(node, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", 0, err
	}
	defer unix.Close(fd)
	info, err := uapi.GetChipInfo(uintptr(fd))
	return unix.ByteSliceToString(info.Label[:]), info.Lines, err
}

// hardwareGroups own device nodes on Debian and its descendants.
var hardwareGroups = []string{"gpio", "i2c", "spi", "dialout"}

// groups matter to somebody who is not root.
func groups(h Host) []Finding {
	if h.Euid == 0 {
		return one("groups", OK, "", "root needs none")
	}
	mine, err := os.Getgroups()
	if err != nil {
		return one("groups", Warn, "", "%v", err)
	}
	text, err := h.read("etc/group")
	if err != nil {
		return one("groups", Warn, "", "%v", err)
	}
	var missing []string
	for line := range strings.Lines(text) {
		f := strings.Split(strings.TrimSpace(line), ":") // group(5)
		if len(f) < 3 || !slices.Contains(hardwareGroups, f[0]) {
			continue
		}
		if id, err := strconv.Atoi(f[2]); err == nil && !slices.Contains(mine, id) {
			missing = append(missing, f[0])
		}
	}
	if len(missing) > 0 {
		return one("groups", Warn, "sudo usermod -aG "+strings.Join(missing, ",")+" $USER, and log in again", "without the groups %s some devices cannot be opened without root", strings.Join(missing, ", "))
	}
	return one("groups", OK, "", "those that own devices here")
}
