package main

import (
	"slices"

	"sallyport/internal/testsum"
)

// kind is a machine that can be emulated.
type kind struct {
	name    string
	goarch  string
	debian  string // the architecture's name at Debian, and of the folder with its kernel
	qemu    []string
	cmdline string
	dtb     string   // below usr/lib/linux-image-RELEASE/, "" when qemu makes the tree itself
	modules []string // below lib/modules/RELEASE/, with parameters
	env     []string
	files   []file
	build   []string // programs, built into the folder of the product's own
	tests   []binary
	require []testsum.Required // what may not be skipped there
}

// must is what is required of the packages that are run.
func (k kind) must() (list []testsum.Required) {
	for _, r := range k.require {
		if slices.ContainsFunc(k.tests, func(b binary) bool { return b.pkg == r.Package }) {
			list = append(list, r)
		}
	}
	return list
}

// layouts are the tests of the kernel's structures.
var layouts = []testsum.Required{
	{Package: "internal/sys", Pattern: "TestEvery*"},
	{Package: "internal/sys", Pattern: "TestTimesBeyond32Bits"},
}

// file is one of this machine, and where it is in the other; the first that there
// is counts.
type file struct {
	to   string
	from []string
}

// product is where a package puts the programs.
const product = "/usr/lib/sallyport/"

// binary is the test binary of a package.
type binary struct {
	pkg  string // below the module
	tags string
	args []string
}

// The kernel says nothing but that it panics, on the line that the results come by.
const cmdline = "quiet loglevel=1 panic=-1 rdinit=/init console="

var kinds = []kind{
	{
		name: "arm", goarch: "arm", debian: "armhf",
		qemu:    []string{"qemu-system-arm", "-M", "virt", "-cpu", "cortex-a15", "-m", "768"},
		cmdline: cmdline + "ttyAMA0",
		tests: []binary{
			{pkg: "internal/sys"},
			{pkg: "pkg/sysvctl"},
			{pkg: "pkg/scmrights"},
			{pkg: "internal/reading"},
			{pkg: "internal/lane"},
		},
		require: layouts,
	},
	{
		name: "raspi3b", goarch: "arm64", debian: "arm64",
		qemu:    []string{"qemu-system-aarch64", "-M", "raspi3b"},
		cmdline: cmdline + "ttyAMA0",
		dtb:     "broadcom/bcm2837-rpi-3-b.dtb",
		tests: []binary{
			{pkg: "tests/machine/pi", tags: "machine"},
			{pkg: "internal/sys"},
			{pkg: "pkg/sysvctl"},
			{pkg: "pkg/scmrights"},
		},
		require: append([]testsum.Required{{Package: "tests/machine/pi", Pattern: "*"}}, layouts...),
		build:   []string{"examples/sysv/led"},
		files:   crossBuilt("arm64", "aarch64-linux-gnu", "ld-linux-aarch64.so.1"),
	},
	{
		name: "amd64", goarch: "amd64", debian: "amd64",
		qemu:    []string{"qemu-system-x86_64", "-m", "512"},
		cmdline: cmdline + "ttyS0",
		modules: []string{"kernel/drivers/i2c/i2c-dev.ko", "kernel/drivers/i2c/i2c-stub.ko chip_addr=0x23,0x50", "kernel/drivers/misc/eeprom/at24.ko"},
		tests: []binary{
			{pkg: "tests/machine/i2c", tags: "machine"},
			{pkg: "internal/sys"},
		},
		require: append([]testsum.Required{{Package: "tests/machine/i2c", Pattern: "*"}, {Package: "internal/sys", Pattern: "TestI2C*"}}, layouts...),
	},
}

// crossBuilt are the programs of `make cross` with the libraries of the supervisor:
// that which it was linked with, and the C library of the cross compiler or, where
// this machine is of that architecture, its own.
func crossBuilt(goarch, triplet, loader string) []file {
	var files []file
	for _, p := range []string{"supervisor", "sallyport", "worker", "workers/sampler", "workers/alarm", "workers/rogue"} {
		files = append(files, file{product + p, []string{"build/cross/" + goarch + "/" + p}})
	}
	for _, name := range []string{loader, "libc.so.6", "libseccomp.so.2"} {
		files = append(files, file{"/lib/" + name, []string{
			"build/cross/libseccomp-" + goarch + "/usr/lib/" + triplet + "/" + name,
			"/usr/" + triplet + "/lib/" + name,
			"/lib/" + triplet + "/" + name,
		}})
	}
	return files
}
