// Package reading is the fixed-size encoding of what travels on the bus: one
// measured value, one alert, or the acknowledgement of an alert.
//
// A frame is 64 bytes, little endian. An alert that carries a text is 256
// bytes: the same 64, then the text. There are no other sizes, so a receiver
// judges a frame by its length before it reads a byte of it, and the frames of
// a hostile sender cost what those of an honest one cost.
//
//	off  type      field
//	0    u8        version, 1
//	1    u8        kind: 1 reading, 2 alert, 3 acknowledgement
//	2    u16       band, never 0: the message type it is sent under
//	4    u32       worker, number of the sender
//	8    u32       sensor
//	12   u32       epoch of the sending worker
//	16   u64       seq, from 1, counted per lane and epoch
//	24   i64       boot time in ns (CLOCK_BOOTTIME, one clock for all processes)
//	32   i64       wall clock in ns since 1970, UTC
//	40   f64       value, finite
//	48   [8]byte   unit, UTF-8, zero padded
//	56   u32       flags
//	60   u32       reserved, zero
//	64   u8        (256-byte frame) length of the text in bytes, 1 to 191
//	65   [191]byte text, UTF-8, zero padded
//
// An acknowledgement names what it acknowledges: worker is the receiver that
// speaks, epoch, seq and band are those of the alert, all else is zero.
//
// Everything that a frame says about its sender can be forged. The lane that a
// frame came through is what tells who sent it; package lane compares the two.
package reading
