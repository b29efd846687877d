package device

import (
	"github.com/warthog618/go-gpiocdev/uapi"
	"golang.org/x/sys/unix"
)

// Drivers are the requests that set a device up before it is granted. Tests without
// hardware put their own in the place of the kernel's.
type Drivers struct {
	ChipInfo  func(chip uintptr) (uapi.ChipInfo, error)
	LineInfo  func(chip uintptr, offset int) (uapi.LineInfoV2, error)
	Line      func(chip uintptr, r *uapi.LineRequest) error // the new descriptor is in r.Fd
	Values    func(line uintptr, v *uapi.LineValues) error
	SetValues func(line uintptr, v uapi.LineValues) error
	Number    func(fd int, request uint, value int) error   // an ioctl whose argument is a number
	Pointer   func(fd int, request uint, value int32) error // one whose argument leads to a number
}

var kernel = Drivers{
	ChipInfo:  uapi.GetChipInfo,
	LineInfo:  uapi.GetLineInfoV2,
	Line:      uapi.GetLine,
	Values:    uapi.GetLineValuesV2,
	SetValues: uapi.SetLineValuesV2,
	Number:    unix.IoctlSetInt,
	Pointer: func(fd int, request uint, value int32) error {
		return unix.IoctlSetPointerInt(fd, request, int(value))
	},
}
