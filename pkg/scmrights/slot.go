package scmrights

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// MaxName is the longest name of a descriptor, in bytes.
const MaxName = 47

// token names a grant for ever: 16 random bytes. A descriptor number can be
// used again, a name can be granted again; a token cannot.
type token [16]byte

// slot describes one descriptor of a record.
type slot struct {
	token  token
	kind   Kind
	mode   Mode
	access Access
	ident  identity
	name   string
}

// identity is what fstat(2) says of a descriptor. Two descriptors with the same
// identity lead to the same inode; whether to the same open file description it
// cannot say.
type identity struct {
	mode           uint32
	dev, ino, rdev uint64
}

func identify(n int) (identity, error) {
	var st unix.Stat_t
	for {
		err := unix.Fstat(n, &st)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return identity{}, err
		}
		return identity{mode: st.Mode, dev: uint64(st.Dev), ino: st.Ino, rdev: uint64(st.Rdev)}, nil
	}
}

// same compares file type and inode. Permission bits are left out: somebody may
// change them between the two looks.
func (a identity) same(b identity) bool {
	return a.mode&unix.S_IFMT == b.mode&unix.S_IFMT && a.dev == b.dev && a.ino == b.ino && a.rdev == b.rdev
}

var zeros [MaxName]byte

func (s *slot) append(dst []byte) []byte {
	dst = append(dst, s.token[:]...)
	return s.appendRest(dst)
}

// appendRest appends what is behind the token.
func (s *slot) appendRest(dst []byte) []byte {
	le := binary.LittleEndian
	dst = append(dst, byte(s.kind), byte(s.mode), byte(s.access), 0)
	dst = le.AppendUint32(dst, s.ident.mode)
	dst = le.AppendUint64(dst, s.ident.dev)
	dst = le.AppendUint64(dst, s.ident.ino)
	dst = le.AppendUint64(dst, s.ident.rdev)
	dst = append(dst, byte(len(s.name)))
	dst = append(dst, s.name...)
	return append(dst, zeros[len(s.name):]...)
}

// decodeSlot reads one slot record but for its name, of which it gives the
// length.
func decodeSlot(b []byte) (s slot, length int, err error) {
	le := binary.LittleEndian
	copy(s.token[:], b)
	s.kind, s.mode, s.access = Kind(b[16]), Mode(b[17]), Access(b[18])
	s.ident = identity{mode: le.Uint32(b[20:]), dev: le.Uint64(b[24:]), ino: le.Uint64(b[32:]), rdev: le.Uint64(b[40:])}
	length = int(b[nameAt])
	switch {
	case b[19] != 0:
		return s, 0, errors.New("reserved byte set")
	case length > MaxName:
		return s, 0, fmt.Errorf("name of %d bytes", length)
	case !bytes.Equal(b[nameAt+1+length:slotSize], zeros[:MaxName-length]):
		return s, 0, errors.New("bytes behind the name")
	}
	return s, length, checkName(string(b[nameAt+1 : nameAt+1+length]))
}

// checkName holds for both ends. An empty name is allowed where only the token
// counts (REVOKE, RELEASED).
func checkName(name string) error {
	switch {
	case len(name) > MaxName:
		return fmt.Errorf("name of %d bytes, the limit is %d", len(name), MaxName)
	case !utf8.ValidString(name) || strings.IndexByte(name, 0) >= 0:
		return errors.New("name is not UTF-8 without zero bytes")
	}
	return nil
}
