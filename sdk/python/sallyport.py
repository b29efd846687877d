"""A Sallyport worker in Python: handover/1 at level 2, readings and alerts.

    import sallyport

    worker = sallyport.Worker()
    for _ in worker.every(worker.duration("every", 10)):
        for name, value in worker.values():
            worker.reading(name, value)
            if value > 80:
                worker.alert(name, value, "too hot")

Worker is for programs that a supervisor starts; Channel beneath it speaks the
protocol of docs/protocol.md and nothing more. Linux, Python 3.8 or later, the
standard library only, one thread: whatever waits (every, items, ready, wait)
also answers the supervisor, so a plugin must come back to it more often than
its heartbeat (10 s unless configured otherwise).
"""

import collections
import ctypes
import errno
import json
import math
import os
import re
import resource
import select
import signal
import socket
import stat
import struct
import sys
import time

# ---- the records ------------------------------------------------------------

MAGIC, VERSION = 0x31504853, 1  # "SHP1"
RECEIPT_MAGIC = 0x31524853  # "SHR1"
FRAME, SLOT = struct.Struct("<IBBHIIQQ"), struct.Struct("<16sBBBBIQQQB47s")
MAX_SLOTS, MAX_RECORD, MAX_UP = 250, 32 << 10, 512
MAX_BODY = MAX_UP - FRAME.size - 4  # of a message to the parent, bytes

(HELLO, WELCOME, OFFER, COMMIT, ABORT, REVOKE, RELEASED, CREDIT, PING, PONG, BYE) = range(1, 12)
MESSAGE = 16
SHARE, MOVE, EXCLUSIVE, LEND = range(4)
TAKEN, MISSING, WRONG_KIND, WRONG_IDENTITY, NO_SLOT, NOT_WANTED = range(6)
(ATTRIBUTE, FILE, DIRECTORY, GPIO_LINE, I2C, SPI, TTY, EVDEV, LISTENER, STREAM, DATAGRAM, MEMFD, EVENTFD, PIPE,
 NAMESPACE) = range(1, 16)
OTHER = 255

# What fstat must say of a kind; of the kinds that are not here it says nothing.
FILE_TYPE = {ATTRIBUTE: stat.S_IFREG, FILE: stat.S_IFREG, MEMFD: stat.S_IFREG, DIRECTORY: stat.S_IFDIR,
             I2C: stat.S_IFCHR, SPI: stat.S_IFCHR, TTY: stat.S_IFCHR, EVDEV: stat.S_IFCHR,
             LISTENER: stat.S_IFSOCK, STREAM: stat.S_IFSOCK, DATAGRAM: stat.S_IFSOCK, PIPE: stat.S_IFIFO}

# Of each type that a parent may send: how many slots, and the length of the payload (None: at least 4).
FROM_PARENT = {WELCOME: (0, 0, 8), OFFER: (1, MAX_SLOTS, 0), COMMIT: (0, 0, 8), ABORT: (0, 0, 8),
               REVOKE: (1, MAX_SLOTS, 4), PING: (0, 0, 8), PONG: (0, 0, 8), BYE: (0, 0, 4), MESSAGE: (0, 0, None)}

Slot = collections.namedtuple("Slot", "token kind mode access st_mode dev ino rdev name")
Record = collections.namedtuple("Record", "type epoch seq ack slots payload")
Grant = collections.namedtuple("Grant", "name kind mode access fd token")
Event = collections.namedtuple("Event", "grants message revoked")  # message is (kind, body) or None


class Fault(Exception):
    """The parent broke the protocol; word is the check that failed, as in the vectors."""

    def __init__(self, word, text):
        super().__init__("protocol fault: " + text)
        self.word = word


class Closed(Exception):
    """The parent is gone, or said BYE."""


class NotGranted(Exception):
    """Nothing of this name was granted, or it was taken back."""


def encode_record(r):
    """The bytes of a record."""
    slots = b"".join(SLOT.pack(s.token, s.kind, s.mode, s.access, 0, s.st_mode, s.dev, s.ino, s.rdev,
                               len(s.name.encode()), s.name.encode()) for s in r.slots)
    return FRAME.pack(MAGIC, VERSION, r.type, len(r.slots), r.epoch, len(r.payload), r.seq, r.ack) + slots + r.payload


def decode_record(data):
    """Reads one whole record; a Fault says which check failed. No check depends on what came before."""
    if len(data) < FRAME.size:
        raise Fault("short", "a record of %d bytes" % len(data))
    magic, version, kind, count, epoch, length, seq, ack = FRAME.unpack_from(data)
    if magic != MAGIC:
        raise Fault("magic", "magic %#x" % magic)
    if version != VERSION:
        raise Fault("version", "frame version %d" % version)
    if not HELLO <= kind <= BYE and kind != MESSAGE:
        raise Fault("type", "unknown record type %d" % kind)
    if count > MAX_SLOTS:
        raise Fault("slots", "%d slots" % count)
    if len(data) != FRAME.size + count * SLOT.size + length:
        raise Fault("length", "%d bytes with %d slots and a payload of %d" % (len(data), count, length))
    end = FRAME.size + count * SLOT.size
    slots = [decode_slot(data, at) for at in range(FRAME.size, end, SLOT.size)]
    return Record(kind, epoch, seq, ack, slots, bytes(data[end:]))


def decode_slot(data, at):
    token, kind, mode, access, zero, st_mode, dev, ino, rdev, length, name = SLOT.unpack_from(data, at)
    if zero:
        raise Fault("reserved", "reserved byte of a slot set")
    if length > 47 or name[length:].strip(b"\0") or b"\0" in name[:length]:
        raise Fault("name", "name of %d bytes, with zero bytes in or others behind it" % length)
    try:
        text = name[:length].decode()
    except UnicodeDecodeError:
        raise Fault("name", "name is not UTF-8") from None
    return Slot(token, kind, mode, access, st_mode, dev, ino, rdev, text)


def encode_receipt(epoch, seq, verdicts):
    """The receipt for the OFFER with number seq; verdicts are (status, descriptor number or -1)."""
    taken = sum(status == TAKEN for status, _ in verdicts)
    outcome = 0 if taken == len(verdicts) else 1 if taken else 2
    return struct.pack("<IBBHIQ", RECEIPT_MAGIC, 1, outcome, len(verdicts), epoch, seq) + b"".join(
        struct.pack("<HHi", status, 0, number) for status, number in verdicts)


# ---- the channel ------------------------------------------------------------


class Channel:
    """The worker's end of handover/1. receive() returns what the parent sent; send() is a MESSAGE.

    fd is taken (default: the one that SALLYPORT_CHANNEL names). limit is how many descriptors are held at most;
    want(slot) may refuse one. Granted descriptors belong to the channel until release(), REVOKE or close().
    """

    RESERVE = 16  # descriptor numbers kept free for the program itself

    def __init__(self, fd=None, limit=None, want=None):
        if fd is None:
            fd = int(os.environ.get("SALLYPORT_CHANNEL", -1))
            if fd < 3:
                raise OSError("SALLYPORT_CHANNEL names no descriptor: start this program under a supervisor")
        os.set_inheritable(fd, False)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, fileno=fd)
        if limit is None:
            soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
            limit = soft - self.RESERVE if soft != resource.RLIM_INFINITY else MAX_SLOTS
            limit = max(1, min(limit, 1 << 16))
        self.limit, self.want = limit, want
        self.epoch = self.taken = self.sent = self.acked = 0
        self.held = {}  # token -> Grant, of what was shown
        self.pending = {}  # token -> Grant, of what waits for its COMMIT
        self.brought = {}  # token -> seq of its OFFER, of both
        self.pings = self.pongs = 0
        self.told = min(self.limit, MAX_SLOTS)
        self._transmit(HELLO, struct.pack("<HHII", VERSION, VERSION, 0, self.told))
        self._next()

    def fileno(self):
        return self.socket.fileno()

    # -- sending

    def send(self, kind, body=b""):
        """A message of the layer above; returns its number, to be compared with acked."""
        if len(body) > MAX_BODY:
            raise ValueError("a message of %d bytes, the limit is %d" % (len(body), MAX_BODY))
        return self._transmit(MESSAGE, struct.pack("<HH", kind, 0) + body)

    def ping(self):
        """Asks for a PONG, which only moves pongs."""
        self._transmit(PING, struct.pack("<Q", self.pings + 1))
        self.pings += 1

    def credit(self, free=None):
        """Says how many more descriptors there is room for."""
        self.told = self._free() if free is None else free
        self._transmit(CREDIT, struct.pack("<I", self.told))

    def release(self, *grants):
        """Closes descriptors and says so."""
        for g in grants:
            if self.held.pop(g.token, None):
                del self.brought[g.token]
                os.close(g.fd)
        blank = [Slot(g.token, 0, 0, 0, 0, 0, 0, 0, "") for g in grants]
        for at in range(0, len(blank), 5):  # 5 slots are what a record of a worker holds
            self._transmit(RELEASED, slots=blank[at:at + 5])
        self._news_of_room()

    def close(self):
        """Says BYE and closes the channel and everything that was granted."""
        try:
            self._transmit(BYE, struct.pack("<I", 0))
        except (Closed, OSError):
            pass
        self.socket.close()
        for g in list(self.held.values()) + list(self.pending.values()):
            os.close(g.fd)
        self.held, self.pending, self.brought = {}, {}, {}

    def _transmit(self, kind, payload=b"", slots=()):
        data = encode_record(Record(kind, self.epoch, self.sent + 1, self.taken, slots, payload))
        try:
            self.socket.sendmsg([data], [], socket.MSG_NOSIGNAL)
        except (BrokenPipeError, ConnectionResetError) as e:
            raise Closed(str(e)) from None
        self.sent += 1
        return self.sent

    def _free(self):
        return max(0, min(self.limit - len(self.held) - len(self.pending), MAX_SLOTS))

    def _news_of_room(self):
        """The parent is told when there is little room, and when there is more again."""
        little, free = 64, self._free()
        if min(free, little) != min(self.told, little):
            self.credit(free)

    # -- receiving

    def receive(self, timeout=None):
        """The next Event; None after timeout seconds. Raises Closed at the end of the channel, and Fault."""
        until = None if timeout is None else time.monotonic() + timeout
        while self._readable(until):
            event = self._next()
            if event is not None:
                return event
        return None

    def _readable(self, until):
        if until is None:
            return True
        poll = select.poll()
        poll.register(self.socket, select.POLLIN)
        return bool(poll.poll(max(0, (until - time.monotonic()) * 1000)))

    def _next(self):
        """One record. All descriptors are collected before anything is looked at (W3, W4)."""
        for attempt in range(3):
            try:
                data, control, flags, _ = self.socket.recvmsg(
                    MAX_RECORD + 1, socket.CMSG_SPACE(4 * 253), socket.MSG_CMSG_CLOEXEC)
                break
            except ConnectionResetError:
                # Told once, ahead of what is queued, when the parent closed with input unread.
                if attempt == 2:
                    raise Closed("the parent is gone") from None
        fds = []
        for level, kind, raw in control:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds += struct.unpack("%di" % (len(raw) // 4), raw[:len(raw) // 4 * 4])
        try:
            if not data:
                raise Closed("the parent is gone")
            if flags & socket.MSG_TRUNC or len(data) > MAX_RECORD:
                raise Fault("length", "a record of more than %d bytes" % MAX_RECORD)
            record = self.judge(data)
            if record.type == OFFER:
                fds = self._whole(record, fds, flags)
            elif fds or flags & socket.MSG_CTRUNC:
                raise Fault("rights", "%d descriptors with a record of type %d" % (len(fds), record.type))
        except (Fault, Closed):
            _close_all(fds)
            raise
        return self._act(record, fds)

    def judge(self, data):
        """Decodes a record and checks all that depends on what came before it; counts it."""
        r = decode_record(data)
        if r.seq != self.taken + 1:
            raise Fault("seq", "record %d after %d" % (r.seq, self.taken))
        if self.epoch and r.epoch != self.epoch:
            raise Fault("epoch", "record of epoch %d in epoch %d" % (r.epoch, self.epoch))
        if not self.acked <= r.ack <= self.sent:
            raise Fault("ack", "record %d acknowledged; %d sent, %d acknowledged" % (r.ack, self.sent, self.acked))
        if r.type not in FROM_PARENT or (r.type == WELCOME) != (self.epoch == 0):
            raise Fault("direction", "type %d is not for parents to send now" % r.type)
        least, most, size = FROM_PARENT[r.type]
        if not least <= len(r.slots) <= most:
            raise Fault("slots", "type %d with %d slots" % (r.type, len(r.slots)))
        if len(r.payload) != size if size is not None else len(r.payload) < 4:
            raise Fault("payload", "type %d with a payload of %d bytes" % (r.type, len(r.payload)))
        if r.type in (WELCOME, MESSAGE) and r.payload[2:4] != b"\0\0":
            raise Fault("reserved", "type %d with reserved bytes set" % r.type)
        if r.type == WELCOME:
            if r.epoch == 0:
                raise Fault("epoch", "WELCOME to epoch 0")
            if struct.unpack_from("<H", r.payload)[0] != VERSION:
                raise Fault("payload", "WELCOME to another version")
        self.taken, self.acked = r.seq, r.ack
        return r

    @staticmethod
    def _whole(record, fds, flags):
        """All descriptors of an OFFER, or none: whatever the kernel drops, it drops the receipt pipe, so the
        parent knows."""
        if flags & socket.MSG_CTRUNC or not fds:
            _close_all(fds)
            return []
        if len(fds) != len(record.slots) + 1:
            raise Fault("rights", "OFFER of %d slots with %d descriptors" % (len(record.slots), len(fds)))
        return fds

    def _act(self, r, fds):
        if r.type == WELCOME:
            self.epoch = r.epoch
        elif r.type == OFFER:
            return self._offered(r, fds)
        elif r.type == COMMIT:
            return self._committed(struct.unpack("<Q", r.payload)[0])
        elif r.type == ABORT:
            return self._aborted(struct.unpack("<Q", r.payload)[0])
        elif r.type == REVOKE:
            for s in r.slots:
                if s.token in self.pending:  # was never shown: to be released all the same
                    self.held[s.token] = self.pending.pop(s.token)
            gone = [self.held[s.token] for s in r.slots if s.token in self.held]
            return Event([], None, gone) if gone else None
        elif r.type == PING:
            try:
                self._transmit(PONG, r.payload)
            except Closed:
                pass  # what the parent sent before it went may still wait
            return Event([], None, [])  # acked has moved
        elif r.type == PONG:
            if struct.unpack("<Q", r.payload)[0] != self.pongs + 1 or self.pongs >= self.pings:
                raise Fault("payload", "PONG that was not asked for")
            self.pongs += 1
        elif r.type == BYE:
            raise Closed("the parent said BYE")
        elif r.type == MESSAGE:
            return Event([], (struct.unpack_from("<H", r.payload)[0], r.payload[4:]), [])
        return None

    def _offered(self, r, fds):
        """Compare, write the receipt (W5), close its pipe (W6), and only then show what was taken. The second OFFER
        of a token closes the new copy and gets the answer that the first one had."""
        if not fds:
            return None
        pipe, fresh, verdicts = fds.pop(), {}, []
        for s, fd in zip(r.slots, fds):
            known = self.held.get(s.token) or self.pending.get(s.token) or fresh.get(s.token)
            status = TAKEN if known else self._inspect(s, fd, len(fresh))
            if known or status != TAKEN:
                os.close(fd)
            else:
                known = fresh[s.token] = Grant(s.name, s.kind, s.mode, s.access, fd, s.token)
            verdicts.append((status, known.fd if known else -1))
        receipt, written = encode_receipt(self.epoch, r.seq, verdicts), 0
        try:
            written = os.write(pipe, receipt)
        except OSError:
            pass
        os.close(pipe)
        if written != len(receipt):
            # Nobody reads it any more: the parent does not count on our having these.
            _close_all(g.fd for g in fresh.values())
            return None
        shown = []
        for token, g in fresh.items():
            self.brought[token] = r.seq
            if g.mode == EXCLUSIVE:
                self.pending[token] = g
            else:
                self.held[token] = g
                shown.append(g)
        self._news_of_room()
        return Event(shown, None, []) if shown else None

    def _inspect(self, s, fd, fresh):
        """Identity level 1: the descriptor against its slot."""
        try:
            st = os.fstat(fd)
        except OSError:
            return MISSING
        if s.mode > LEND:
            return NOT_WANTED
        if s.kind in FILE_TYPE and FILE_TYPE[s.kind] != stat.S_IFMT(st.st_mode):
            return WRONG_KIND
        if (stat.S_IFMT(s.st_mode), s.dev, s.ino, s.rdev) != (stat.S_IFMT(st.st_mode), st.st_dev, st.st_ino, st.st_rdev):
            return WRONG_IDENTITY
        if self.want is not None and not self.want(s):
            return NOT_WANTED
        if len(self.held) + len(self.pending) + fresh >= self.limit:
            return NO_SLOT
        return TAKEN

    def _committed(self, seq):
        shown = [g for g in self.pending.values() if self.brought[g.token] == seq]
        if not shown:
            raise Fault("commit", "COMMIT of record %d, of which nothing waits" % seq)
        for g in shown:
            self.held[g.token] = self.pending.pop(g.token)
        return Event(shown, None, [])

    def _aborted(self, seq):
        """What nobody has seen is closed without a word; what was shown is closed, and named."""
        gone = [g for g in self.held.values() if self.brought[g.token] == seq]
        for g in gone + [g for g in self.pending.values() if self.brought[g.token] == seq]:
            os.close(g.fd)
            self.held.pop(g.token, None)
            self.pending.pop(g.token, None)
            del self.brought[g.token]
        self._news_of_room()
        return Event([], None, gone) if gone else None


def _close_all(fds):
    for fd in fds:
        os.close(fd)


# ---- the bus: frames, START, lanes ------------------------------------------

READING, ALERT, ACK = 1, 2, 3
RESENT, CUT = 1, 2
BUS, MAX_TEXT = struct.Struct("<BBHIIIQqqd8sII"), 191
MSG_START, MSG_STOP = 1, 2
MSG_READY, MSG_ALIVE, MSG_STATUS, MSG_LOST, MSG_DONE, MSG_NEXT, MSG_SEEN, MSG_COUNT = range(1, 9)
MAX_START = 16 << 10

Frame = collections.namedtuple("Frame", "kind band worker sensor epoch seq boottime wall value unit flags text")
Item = collections.namedtuple("Item", "sensor worker value unit text time seq alert")


class Malformed(ValueError):
    """Bytes that are no frame, report or START; word is the check that failed, as in the vectors."""

    def __init__(self, word, text=""):
        super().__init__("malformed %s %s" % (word, text))
        self.word = word


def _printable(raw, word):
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise Malformed(word, "not UTF-8") from None
    if any(c < " " or "\x7f" <= c < "\xa0" for c in text):
        raise Malformed(word, "control character")
    return text


def encode_frame(f):
    """64 bytes, or 256 with a text; what decode_frame would refuse is refused."""
    unit, text = f.unit.encode(), f.text.encode()
    if len(unit) > 8 or len(text) > MAX_TEXT:
        raise Malformed("unit" if len(unit) > 8 else "text", "too long")
    data = BUS.pack(1, f.kind, f.band, f.worker, f.sensor, f.epoch, f.seq, f.boottime, f.wall, f.value, unit, f.flags, 0)
    if text:
        data += bytes([len(text)]) + text.ljust(MAX_TEXT, b"\0")
    decode_frame(data)
    return data


def decode_frame(data):
    if len(data) not in (64, 256):
        raise Malformed("size", "%d bytes" % len(data))
    version, kind, band, worker, sensor, epoch, seq, boot, wall, value, unit, flags, zero = BUS.unpack_from(data)
    text = b""
    if len(data) == 256:
        text, tail = data[65:65 + data[64]], data[65 + data[64]:]
        if not text or b"\0" in text or tail.strip(b"\0"):
            raise Malformed("text", "its length does not fit")
    head = unit.rstrip(b"\0")
    for word, wrong in (("version", version != 1), ("reserved", zero != 0), ("kind", not READING <= kind <= ACK),
                        ("band", band == 0), ("seq", seq == 0), ("flags", flags > RESENT | CUT),
                        ("value", not math.isfinite(value)), ("unit", b"\0" in head), ("text", text and kind != ALERT)):
        if wrong:
            raise Malformed(word)
    return Frame(kind, band, worker, sensor, epoch, seq, boot, wall, value,
                 _printable(head, "unit"), flags, _printable(text, "text"))


def cut_text(text):
    """Any string as the text of an alert, and whether it was cut."""
    text = "".join("\ufffd" if c < " " or "\x7f" <= c < "\xa0" or "\ud800" <= c < "\ue000" else c for c in text)
    raw = text.encode()
    if len(raw) <= MAX_TEXT:
        return text, False
    return raw[:MAX_TEXT].decode(errors="ignore"), True


_LANE = {"queue": "text", "urgent": "i32", "routine": "i32", "ack": "i32"}
_START = {
    "v": "u32", "worker": {"id": "u32", "name": "text"}, "settings": ("map", "text"),
    "sensors": [{"id": "u32", "name": "text", "worker": "u32", "unit": "text", "grant": "text", "decode": "text"}],
    "send": [dict(_LANE, to="u32", bell="text", bands=("map", "u16"), full="text")],
    "receive": [dict(_LANE, **{"from": "u32"})], "bell": "text"}
_RANGES = {"u16": (0, 0xffff), "u32": (0, 0xffffffff), "i32": (-0x80000000, 0x7fffffff)}


def read_start(data):
    """START as a dict with exactly the keys of the specification; anything else is Malformed."""
    def once(pairs):
        if len(dict(pairs)) != len(pairs):
            raise ValueError("a key twice")
        return dict(pairs)
    try:
        if len(data) > MAX_START:
            raise ValueError("%d bytes" % len(data))
        start = json.loads(data.decode(), object_pairs_hook=once)
        _shape(start, _START, "start")
        if start["v"] != 1:
            raise ValueError("version %d" % start["v"])
        if any(out["full"] not in ("drop-new", "block") for out in start["send"]):
            raise ValueError("full is no rule")
    except (ValueError, RecursionError) as e:
        raise Malformed("start", str(e)) from None
    return start


def _shape(value, want, at):
    if want == "text":
        good = type(value) is str
    elif isinstance(want, str):
        good = type(value) is int and _RANGES[want][0] <= value <= _RANGES[want][1]
    elif isinstance(want, list):
        good = type(value) is list
        for element in value if good else ():
            _shape(element, want[0], at)
    elif isinstance(want, tuple):
        good = type(value) is dict
        for key in value if good else ():
            _shape(value[key], want[1], key)
    else:
        good = type(value) is dict and value.keys() == want.keys()
        for key in want if good else ():
            _shape(value[key], want[key], key)
    if not good:
        raise ValueError("%s is not as it should be" % at)


_libc = ctypes.CDLL(None, use_errno=True)
_libc.msgsnd.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
_libc.msgrcv.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_long, ctypes.c_int]
_libc.msgrcv.restype = ctypes.c_ssize_t
_LONG, _IPC_NOWAIT = ctypes.sizeof(ctypes.c_long), 0o4000
_LOWEST = -(1 << 8 * _LONG - 1) + 1  # any type, the lowest first (msgrcv(2))


def _msgsnd(queue, band, data):
    """0, or the errno. Never waits."""
    message = band.to_bytes(_LONG, sys.byteorder) + data
    while _libc.msgsnd(queue, message, len(data), _IPC_NOWAIT) < 0:
        if ctypes.get_errno() != errno.EINTR:
            return ctypes.get_errno()
    return 0


def _msgrcv(queue, buffer):
    """(type, bytes), or the errno. Never waits."""
    while True:
        n = _libc.msgrcv(queue, buffer, len(buffer) - _LONG, _LOWEST, _IPC_NOWAIT)
        if n >= 0:
            return int.from_bytes(buffer[:_LONG], sys.byteorder, signed=True), buffer[_LONG:_LONG + n]
        if ctypes.get_errno() != errno.EINTR:
            return ctypes.get_errno()


def _clocks():
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME), time.time_ns()


def _count(peer, sender, urgent, epoch, first, last, gaps, dropped, taken, waited=0):
    return struct.pack("<IBBHIIQQQQQ", peer, sender, urgent, 0, epoch, waited, first, last, gaps, dropped, taken)


ANYONE = 0xffffffff  # of a shared queue: whoever receives, or a sender that is no worker


class Out:
    """The lanes to one receiver, with the alerts that it has not acknowledged."""

    OUTBOX, FIRST, LAST = 64, 10**9, 8 * 10**9  # alerts; ns until one is sent again, doubling to LAST

    def __init__(self, out, worker, epoch, bell):
        self.to, self.bands, self.bell = out["to"], out["bands"], bell
        self.urgent, self.routine, self.ack = out["urgent"], out["routine"], out["ack"]
        self.worker, self.epoch = worker, epoch
        self.block = out["full"] == "block"
        self.seq = self.sent = self.dropped = self.waited = 0
        self.alert_seq = self.alert_sent = self.lost = 0
        self.waiting = []  # [frame, sent once, when again, pause]
        self.buffer = ctypes.create_string_buffer(_LONG + 64)

    def ring(self):
        if self.bell is not None:
            try:
                os.write(self.bell, b"\1")
            except OSError:
                pass  # a full pipe is a bell that rings

    def reading(self, f, wait=False):
        """0, or the errno of a closed lane. A full one drops, which is counted and no error; with wait it is EAGAIN."""
        error = _msgsnd(self.routine, f.band, encode_frame(f._replace(seq=self.seq + 1)))
        if error not in (0, errno.EAGAIN) or error and wait:
            return error
        self.seq += 1
        self.sent += error == 0
        self.dropped += error != 0
        self.ring()
        return 0

    def alert(self, f):
        if self.to == 0:  # the supervisor's tap: once, without the text
            return self.reading(f._replace(text="", flags=f.flags & ~CUT))
        f = f._replace(seq=self.alert_seq + 1)
        error = _msgsnd(self.urgent, f.band, encode_frame(f))
        if error not in (0, errno.EAGAIN):
            return error
        self.alert_seq += 1
        self.alert_sent += error == 0
        if len(self.waiting) >= self.OUTBOX:
            self.collect()
        if len(self.waiting) >= self.OUTBOX:
            self.waiting.pop(0)
            self.lost += 1
        self.waiting.append([f, error == 0, f.boottime + (self.FIRST if error == 0 else 0), self.FIRST])
        self.ring()
        return 0

    def collect(self):
        while self.ack >= 0:
            got = _msgrcv(self.ack, self.buffer)
            if isinstance(got, int):
                return
            try:
                a = decode_frame(got[1])
            except Malformed:
                continue
            if a.kind == ACK and self.to in (a.worker, ANYONE) and a.epoch == self.epoch:
                self.waiting = [w for w in self.waiting if w[0].seq != a.seq]

    def tick(self, now):
        if self.waiting:
            self.collect()
        rang = False
        for w in list(self.waiting):
            f, sent, again, pause = w
            if again > now:
                continue
            error = _msgsnd(self.urgent, f.band, encode_frame(f._replace(flags=f.flags | RESENT if sent else f.flags)))
            if error in (errno.EIDRM, errno.EINVAL):
                self.waiting.remove(w)
                self.lost += 1
            elif error:
                break
            else:
                w[1], w[3] = True, min(2 * pause, self.LAST) if sent else pause
                w[2] = now + w[3]
                self.alert_sent += not sent
                rang = True
        if rang:
            self.ring()

    def counts(self):
        if self.urgent >= 0:
            yield _count(self.to, 1, 1, self.epoch, min(1, self.alert_seq), self.alert_seq, 0, self.lost, self.alert_sent)
        if self.routine >= 0:
            yield _count(self.to, 1, 0, self.epoch, min(1, self.seq), self.seq, 0, self.dropped, self.sent, self.waited)


class In:
    """One lane that is heard. Nothing that a frame says of its sender is believed but what the lane says too."""

    EPOCHS, SPANS = 8, 64

    def __init__(self, queue, ack, sender, urgent):
        self.queue, self.ack, self.sender, self.urgent = queue, ack, sender, urgent
        self.buffer = ctypes.create_string_buffer(_LONG + 256)
        self.epochs, self.dropped, self.gone = collections.OrderedDict(), 0, False
        self.others = []  # the further senders of a shared queue, with books of their own
        self.shared = sender == ANYONE

    @classmethod
    def lanes(cls, entries):
        """One for each queue; senders that share one are its others."""
        heads = {}
        for lane in [cls(*e) for e in entries if e[0] >= 0]:
            head = heads.setdefault(lane.queue, lane)
            if head is not lane:
                head.others.append(lane)
                head.shared = lane.shared = True
        return list(heads.values())

    def of(self, worker):
        """The lane of a frame's sender, or None. Where several share the queue a frame can be in another's name."""
        all = [self] + self.others
        return next((l for l in all if l.sender == worker), None) or next((l for l in all if l.sender == ANYONE), None)

    def take(self, me):
        """The lane of its sender with the next good frame that was not taken before, or None."""
        for _ in range(64):
            got = _msgrcv(self.queue, self.buffer)
            if got == errno.E2BIG:  # nobody may send this, but were it left it would block the lane
                got = _msgrcv(self.queue, ctypes.create_string_buffer(_LONG + 65536))
            if isinstance(got, int):
                self.gone = got in (errno.EIDRM, errno.EINVAL)
                return None
            try:
                f = decode_frame(got[1])
            except Malformed:
                self.dropped += 1
                continue
            lane = self.of(f.worker)
            if lane is None or f.band != got[0] or f.kind != (ALERT if self.urgent else READING):
                self.dropped += 1
            elif lane.sender == ANYONE or not any(low <= f.seq <= high for low, high in lane._epoch(f.epoch)[0]):
                return lane, f
            elif self.urgent:
                lane.acknowledge(f, me)  # the first word of it was lost
            else:
                self.dropped += 1
        return None

    def _epoch(self, number):
        if number not in self.epochs and len(self.epochs) >= self.EPOCHS:
            self.epochs.popitem(last=False)
        e = self.epochs.setdefault(number, [[], 0, 0])  # spans of numbers that came, closed gaps, taken
        self.epochs.move_to_end(number)
        return e

    def acted(self, f, me):
        """The frame was acted on: only now is an alert acknowledged, and not sent again to a successor."""
        e = self._epoch(0 if self.sender == ANYONE else f.epoch)
        e[2] += 1
        if self.sender == ANYONE:
            return  # its numbers mean nothing to us
        spans, merged = sorted(e[0] + [(f.seq, f.seq)]), []
        for low, high in spans:
            if merged and low <= merged[-1][1] + 1:
                merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
            else:
                merged.append((low, high))
        if len(merged) > self.SPANS:
            e[1] += merged[1][0] - merged[0][1] - 1
            merged[:2] = [(merged[0][0], merged[1][1])]
        e[0] = merged
        if self.urgent:
            self.acknowledge(f, me)

    def acknowledge(self, f, me):
        if self.ack >= 0:
            _msgsnd(self.ack, f.band, encode_frame(Frame(ACK, f.band, me, 0, f.epoch, f.seq, 0, 0, 0.0, "", 0, "")))

    def counts(self):
        for i, (number, (spans, closed, taken)) in enumerate(self.epochs.items()):
            gaps = 0 if self.shared else closed + sum(b[0] - a[1] - 1 for a, b in zip(spans, spans[1:]))
            first, last = (spans[0][0], spans[-1][1]) if spans else (0, 0)
            dropped = self.dropped if i == len(self.epochs) - 1 else 0
            yield _count(self.sender, 0, self.urgent, number, first, last, gaps, dropped, taken)
        if not self.epochs and self.dropped:
            yield _count(self.sender, 0, self.urgent, 0, 0, 0, 0, self.dropped, 0)
        for lane in self.others:
            yield from lane.counts()


# ---- the worker -------------------------------------------------------------

_UNITS = {"ns": 1e-9, "us": 1e-6, "\u00b5s": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_NUMBER = re.compile(rb"[-+.0-9eE]+\Z")


def seconds(text):
    """A duration such as "10s" or "1m30s", in seconds."""
    parts = re.findall(r"([0-9.]+)([a-z\u00b5]+)", text)
    if not parts or "".join(n + u for n, u in parts) != text or any(u not in _UNITS for _, u in parts):
        raise ValueError('%r is no duration; write it as in "10s" or "500ms"' % text)
    return sum(float(n) * _UNITS[u] for n, u in parts)


def decode_text(raw, how):
    """The number in the text of an attribute: raw, milli, micro, field:N, key:NAME or psi:LINE.KEY."""
    name, _, arg = how.partition(":")
    lines = raw.split(b"\n")
    word, scale = raw.strip(), 1.0
    if name in ("milli", "micro"):
        word, scale = str(int(word)).encode(), {"milli": 1e3, "micro": 1e6}[name]
    elif name == "field":
        word = lines[0].split()[int(arg)]
    elif name == "key":
        found = [l[len(arg):] for l in lines if l.startswith(arg.encode()) and l[len(arg):len(arg) + 1] in (b":", b" ", b"\t")]
        word = found[0].lstrip(b":").split()[0]
    elif name == "psi":
        line, _, key = arg.partition(".")
        found = [w for l in lines if l.split()[:1] == [line.encode()] for w in l.split() if w.startswith(key.encode() + b"=")]
        word = found[0].partition(b"=")[2]
    elif how not in ("", "raw"):
        raise ValueError("decode %r is no form" % how)
    if not _NUMBER.match(word) or not math.isfinite(float(word)):
        raise ValueError("%r is not a decimal number" % word[:40])
    return float(word) / scale


class Worker:
    """A worker as the supervisor sees it: attached, started, its bells granted. See the module's text."""

    def __init__(self, fd=None):
        self.stopping = False
        signal.signal(signal.SIGTERM, self._stop)
        self.channel = Channel(fd)
        self.grants, self.start, self.open = {}, None, False
        self._lost, self._said, self._rows, self._hand, self._windows = set(), 0, {}, None, []
        self._ready_seq = None
        while self.start is None:
            self._step(None)
        me = self.start["worker"]["id"]
        self.name = self.start["worker"]["name"]
        self.settings = self.start["settings"]
        self.sensors = {s["name"]: s for s in self.start["sensors"] if s["worker"] == me}
        self._all = {s["id"]: s["name"] for s in self.start["sensors"]}
        bells = {o["bell"] for o in self.start["send"]} | ({self.start["bell"]} if self.start["receive"] else set())
        while not bells - {""} <= self.grants.keys():
            self._step(None)
        self._outs = [Out(o, me, self.channel.epoch, self.grants[o["bell"]].fd if o["bell"] else None)
                      for o in self.start["send"]]
        for o in self._outs:
            if o.bell is not None:
                os.set_blocking(o.bell, False)
        self._bell = self.grants[self.start["bell"]].fd if self.start["receive"] and self.start["bell"] else None
        if self._bell is not None:
            os.set_blocking(self._bell, False)
        self._urgent = In.lanes([(i["urgent"], i["ack"], i["from"], 1) for i in self.start["receive"]])
        self._routine = In.lanes([(i["routine"], -1, i["from"], 0) for i in self.start["receive"]])
        self._tick_at, self._count_at = 0.0, 0.0
        self._alive_at = time.monotonic()

    # -- what a plugin asks for

    def setting(self, name, default=""):
        return self.settings.get(name, default)

    def duration(self, name, default):
        """A setting such as "10s", in seconds."""
        return seconds(self.settings[name]) if name in self.settings else default

    def fd(self, name):
        """The descriptor of a grant; it stays the worker's."""
        if name not in self.grants or name in self._lost:
            raise NotGranted(name)
        return self.grants[name].fd

    def read(self, name, size=4096):
        """The bytes of an attribute as it is now (pread at 0). A device that went away is reported, and NotGranted
        until the supervisor has opened it again."""
        try:
            return os.pread(self.fd(name), size, 0)
        except OSError as e:
            if e.errno in (errno.ENODEV, errno.EIO):
                self.lost(name)
                raise NotGranted(name) from None
            raise

    def lost(self, name):
        """Says once that a grant stopped working."""
        if name not in self._lost:
            self._lost.add(name)
            self._say(MSG_LOST, name.encode())

    def values(self):
        """(sensor, value) of every sensor that can be read now."""
        for s in sorted(self.sensors.values(), key=lambda s: s["name"]):
            if s["grant"]:
                try:
                    yield s["name"], decode_text(self.read(s["grant"]), s["decode"])
                except NotGranted:
                    pass
                except (OSError, ValueError, LookupError) as e:
                    print("%s: %s" % (s["name"], e), file=sys.stderr)

    def ready(self):
        """Says READY and waits until the supervisor has opened the lanes. every, items, reading and alert call it."""
        if self._ready_seq is None:
            self._ready_seq = self._say(MSG_READY)
        while not self.open and not self.stopping:
            self._step(None)
            self.open = self.channel.acked >= self._ready_seq

    def status(self, text):
        """A line for `sallyport status`, cut at 256 bytes."""
        self._say(MSG_STATUS, text.encode()[:256].decode(errors="ignore").encode())

    def reading(self, sensor, value):
        """To everyone who subscribed; a full lane drops it and counts, or makes it wait. False when a lane is closed."""
        return self._send(READING, "reading", sensor, value, "")

    def alert(self, sensor, value, text=""):
        """As reading, ahead of all readings, and sent again until each receiver has confirmed it."""
        return self._send(ALERT, "alert", sensor, value, text)

    def every(self, period):
        """Yields now and then each period (seconds), until the worker is to stop."""
        self.ready()
        at = time.monotonic()
        while not self.stopping:
            yield
            at = max(at + period, time.monotonic())
            self.wait(at - time.monotonic())
        self._part()

    def items(self):
        """What other workers send, alerts first, until the worker is to stop and its lanes are empty."""
        self.ready()
        while True:
            item = self._take()
            if item is not None:
                yield item
            elif self.stopping:
                break
            else:
                self.wait(1.0, rung=True)
        self._part()

    def wait(self, timeout, rung=False):
        """Answers the supervisor for so long; with rung, until the own bell rings."""
        until = time.monotonic() + timeout
        while not self.stopping:
            left = until - time.monotonic()
            self._beat()
            poll = select.poll()
            poll.register(self.channel, select.POLLIN)
            if rung and self._bell is not None:
                poll.register(self._bell, select.POLLIN)
            pause = 0.1 if any(o.waiting for o in self._outs) else 0.5
            for fd, _ in poll.poll(max(0, min(left, pause) * 1000)):
                if fd == self.channel.fileno():
                    self._step(0)
                else:
                    _empty(self._bell)
                    return
            if left <= 0:
                return

    def done(self):
        """Finished by itself: not to be started again. Then exit."""
        self._say(MSG_DONE)
        self._part()

    # -- beneath

    def _stop(self, *_):
        self.stopping = True

    def _say(self, kind, body=b""):
        self._said = self.channel.send(kind, body)
        return self._said

    def _step(self, timeout):
        """One event. A plugin never outlives its supervisor: the end of the channel is the end of the process."""
        try:
            event = self.channel.receive(timeout)
        except Closed:
            os._exit(1)
        if event is None:
            return
        for g in event.grants:
            old, self.grants[g.name] = self.grants.get(g.name), g
            self._lost.discard(g.name)
            if old is not None:
                if self._pinned(g.name):
                    self.grants[g.name], old = old, g  # the lanes hold the first file of a bell
                self.channel.release(old)
        for g in event.revoked:
            if self.grants.get(g.name) is not None and self.grants[g.name].token == g.token:
                del self.grants[g.name]
        self.channel.release(*[g for g in event.revoked if g.token in self.channel.held])
        if event.message is not None:
            kind, body = event.message
            if kind == MSG_START:
                if self.start is not None:
                    raise Fault("start", "START came twice")
                self.start = read_start(body)
            elif kind == MSG_STOP:
                self.stopping = True

    def _pinned(self, name):
        return self.start is not None and (name == self.start["bell"] or any(name == o["bell"] for o in self.start["send"]))

    def _send(self, kind, band, name, value, text):
        if name not in self.sensors:
            raise KeyError("sensor %r is not one of this worker's" % name)
        self.ready()
        sensor, (text, cut), whole = self.sensors[name], cut_text(text), True
        boot, wall = _clocks()
        f = Frame(kind, 1, self.start["worker"]["id"], sensor["id"], self.channel.epoch, 1, boot, wall, float(value),
                  sensor["unit"], CUT if cut else 0, text)
        outs = [o for o in self._outs if band in o.bands]
        if not outs:
            raise NotGranted("band %r: give the worker a queue block with send = [...]" % band)
        for o in outs:
            if o.routine < 0 if kind == READING or o.to == 0 else o.urgent < 0:
                if o.routine < 0 and o.urgent < 0:
                    o.ring()  # the bell of one who shares a queue
                continue
            f = f._replace(band=o.bands[band])
            whole &= (self._reading(o, f) if kind == READING else o.alert(f)) == 0
        return whole

    def _reading(self, o, f):
        """As Out.reading. Where the lane's rule is to wait for room, the supervisor is answered meanwhile."""
        error, pause = o.reading(f, wait=o.block), 0.001
        o.waited += error == errno.EAGAIN
        while error == errno.EAGAIN:
            self.wait(pause)
            pause = min(2 * pause, 0.02)
            error = o.reading(f, wait=not self.stopping)
        return error

    def _take(self):
        """The next frame: urgent lanes first, senders in turn. The one before counts as acted on."""
        me, now = self.start["worker"]["id"], _clocks()[0]
        if self._hand is not None:
            self._hand[0].acted(self._hand[1], me)
            self._hand = None
        self._report(now)
        lanes = self._urgent + self._routine
        if lanes and all(l.gone for l in lanes):
            self.stopping = True
        for rota in (self._urgent, self._routine):
            for i, lane in enumerate(rota):
                taken = lane.take(me)
                if taken is not None:
                    rota[:] = rota[i + 1:] + rota[:i + 1]
                    self._hand = sender, f = taken
                    if sender.sender != ANYONE:  # whose clock and sensors are its own
                        self._watch(sender, f, now)
                    return Item(self._all.get(f.sensor, "sensor %d" % f.sensor), f.worker, f.value, f.unit, f.text,
                                f.wall / 1e9, f.seq, f.kind == ALERT)
        return None

    def _watch(self, lane, f, now):
        """For SEEN: how many older readings each alert overtook within a second."""
        if f.kind == ALERT:
            self._windows.append([f, lane.sender, min(max(now - f.boottime, 0) // 1000, 0xffffffff), 0, now + 10**9])
        else:
            for w in self._windows:
                w[3] += f.boottime < w[0].boottime

    def _report(self, now):
        for w in [w for w in self._windows if w[4] <= now]:
            self._windows.remove(w)
            self._say(MSG_SEEN, struct.pack("<QIIIIQ", w[0].seq, w[1], w[0].sensor, w[3], w[2], 0))

    def _beat(self, counts=False):
        """Alerts again, ALIVE, and the counts that changed."""
        now = time.monotonic()
        if not self.open or now < self._tick_at and not counts:
            return
        self._tick_at = now + 0.1
        for o in self._outs:
            o.tick(_clocks()[0])
        if now >= self._count_at or counts:
            self._count_at = now + 0.5
            for row in [r for lane in self._outs + self._urgent + self._routine for r in lane.counts()]:
                key = row[:12]
                if self._rows.get(key) != row or counts:
                    self._rows[key] = row
                    self._say(MSG_COUNT, row)
        if now >= self._alive_at:
            self._alive_at = now + 2
            self._say(MSG_ALIVE)

    def _part(self):
        """The account of the whole life, and a moment for the supervisor to read it."""
        if self._hand is not None:
            self._hand[0].acted(self._hand[1], self.start["worker"]["id"])
            self._hand = None
        self._report(1 << 63)
        self._beat(counts=True)
        until = time.monotonic() + 0.1
        while self.channel.acked < self._said and time.monotonic() < until:
            self._step(max(0, until - time.monotonic()))


def _empty(fd):
    try:
        while len(os.read(fd, 4096)) == 4096:
            pass
    except OSError:
        pass
