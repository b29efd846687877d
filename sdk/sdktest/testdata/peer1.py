"""The level-1 peer under test: checks what it is granted; prints the count at the end."""

import os
import socket
import sys

sys.path.insert(0, sys.argv[1])
import level1

verified = wrong = 0
before = os.listdir("/proc/self/fd")
channel = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, fileno=3)
for taken in level1.offers(channel):
    for name, fd in taken:
        good = os.pread(fd, 256, 0) == b"content of " + name.encode() + b"\n" and not os.get_inheritable(fd)
        verified, wrong = verified + good, wrong + (not good)
        os.close(fd)
print("verified %d wrong %d left %d" % (verified, wrong, len(os.listdir("/proc/self/fd")) - len(before)))
