package sys

import (
	"bytes"
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// ScmAddressRoom is the size of struct sockaddr_un (unix(7)).
const ScmAddressRoom = unix.SizeofSockaddrUnix

// ScmAddress builds a struct sockaddr_un in the notation of package net: a path,
// or "@name" for the abstract name space. A name that does not fit is EINVAL.
func ScmAddress(name string) ([]byte, error) {
	if name == "" || len(name) > ScmAddressRoom-3 || bytes.IndexByte([]byte(name), 0) >= 0 {
		return nil, unix.EINVAL
	}
	b := binary.NativeEndian.AppendUint16(nil, unix.AF_UNIX)
	if name[0] == '@' {
		return append(append(b, 0), name[1:]...), nil
	}
	return append(append(b, name...), 0), nil
}

// ScmAddressName is the reverse of ScmAddress; "" for a socket without a name.
func ScmAddressName(b []byte) string {
	if len(b) <= 2 || binary.NativeEndian.Uint16(b) != unix.AF_UNIX {
		return ""
	}
	path := b[2:]
	if path[0] == 0 {
		return "@" + string(path[1:])
	}
	if end := bytes.IndexByte(path, 0); end >= 0 {
		path = path[:end]
	}
	return string(path)
}
