"""The peer under test in Python: checks what it is granted, and does as the messages of the test say."""

import os
import resource
import struct
import sys

sys.path.insert(0, sys.argv[1])
import sallyport as sp

REPORT, KEEP, FILL, DRAIN, PONGS = 100, 101, 102, 103, 104

channel = sp.Channel(limit=int(os.environ.get("PEER_LIMIT", 0)) or None, want=lambda s: not s.name.startswith("unwanted"))
verified = wrong = 0
keep, kept, fillers = False, [], []
try:
    while True:
        event = channel.receive()
        for g in event.grants:
            if g.kind in (sp.ATTRIBUTE, sp.FILE, sp.MEMFD):
                good = os.pread(g.fd, 256, 0) == b"content of " + g.name.encode() + b"\n"
            else:
                good = True
            good = good and not os.get_inheritable(g.fd)
            verified, wrong = verified + good, wrong + (not good)
        if keep:
            kept += event.grants
        elif event.grants:
            channel.release(*event.grants)
        gone = [g for g in event.revoked if g.token in channel.held]
        kept = [g for g in kept if g.token not in [r.token for r in event.revoked]]
        if gone:
            channel.release(*gone)
        if event.message is None:
            continue
        kind, body = event.message
        if kind == REPORT:
            text = "verified %d wrong %d held %d open %d" % (verified, wrong, len(channel.held), len(os.listdir("/proc/self/fd")) - 1)
            channel.send(REPORT, text.encode())
        elif kind == KEEP:
            keep = body == b"\1"
            if not keep:
                channel.release(*kept)
                kept = []
        elif kind == FILL:
            resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
            try:
                while True:
                    fillers.append(os.dup(0))
            except OSError:
                for _ in range(body[0]):
                    os.close(fillers.pop())
                channel.send(FILL)
        elif kind == DRAIN:
            while fillers:
                os.close(fillers.pop())
            channel.send(DRAIN)
            channel.credit()
        elif kind == PONGS:
            channel.ping()
except sp.Closed:
    channel.close()
except sp.Fault as e:
    print("fault", e.word, file=sys.stderr)
    sys.exit(3)
