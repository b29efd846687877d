#!/usr/bin/env python3
"""A level-1 peer of handover/1: no HELLO, one byte as receipt.

    level1.py COUNT PROGRAM ARGUMENTS...

takes COUNT descriptors from the channel and becomes PROGRAM, which finds the
number of the descriptor "cpu_temp" in the variable FD_cpu_temp:

    level1.py 1 sh -c 'read t <&$FD_cpu_temp; echo "$t"'

PROGRAM keeps the channel open, by whose end the parent knows its own. A
parent may have as many descriptors on their way as the process may have open,
less 8.
"""

import array
import os
import socket
import sys


def offers(channel):
    """Yields [(name, descriptor), ...] of every offer, until the channel ends."""
    while True:
        data, control, flags, _ = channel.recvmsg(32 << 10, socket.CMSG_SPACE(4 * 253), socket.MSG_CMSG_CLOEXEC)
        fds = array.array("i")
        for _, _, raw in control:
            fds.frombytes(raw)
        if not data:
            return
        slots = int.from_bytes(data[6:8], "little")
        if flags & socket.MSG_CTRUNC or data[5] != 3 or len(fds) != slots + 1:
            for fd in fds:
                os.close(fd)  # and no byte: the parent knows that nothing was taken
            continue
        os.write(fds[-1], b"\x06")
        os.close(fds.pop())
        yield [(data[81 + i:81 + i + data[80 + i]].decode(), fd) for i, fd in zip(range(0, 96 * slots, 96), fds)]


def main():
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, fileno=int(os.environ["SALLYPORT_CHANNEL"]))
    missing = int(sys.argv[1])
    for taken in offers(channel):
        for name, fd in taken:
            os.set_inheritable(fd, True)
            os.environ["FD_" + "".join(c if c.isalnum() else "_" for c in name)] = str(fd)
        missing -= len(taken)
        if missing <= 0:
            os.execvp(sys.argv[2], sys.argv[2:])
    sys.exit("the channel ended before %d more descriptors came" % missing)


if __name__ == "__main__":
    main()
