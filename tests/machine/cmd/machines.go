package main

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
	tests   []binary
}

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
	},
	{
		name: "raspi3b", goarch: "arm64", debian: "arm64",
		qemu:    []string{"qemu-system-aarch64", "-M", "raspi3b"},
		cmdline: cmdline + "ttyAMA0",
		dtb:     "broadcom/bcm2837-rpi-3-b.dtb",
		tests: []binary{
			{pkg: "internal/sys"},
			{pkg: "pkg/sysvctl"},
			{pkg: "pkg/scmrights"},
		},
	},
}
