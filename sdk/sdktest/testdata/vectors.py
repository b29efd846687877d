"""Judges the vectors on standard input; a line "NAME VERDICT [BYTES]" for each that a worker judges or makes."""

import json
import sys

sys.path.insert(0, sys.argv[1])
import sallyport as sp


def down(state, data):
    epoch, following = map(int, state.split("/"))
    channel = object.__new__(sp.Channel)
    channel.epoch, channel.taken, channel.sent, channel.acked = epoch, following - 1, 9, 0
    return sp.encode_record(channel.judge(data))


def remake(data):
    return sp.encode_record(sp.decode_record(data))


def receipt(state, tail):
    epoch, seq = map(int, state.split("/"))
    return sp.encode_receipt(epoch, seq, [tuple(map(int, t.split(":"))) for t in tail])


def start(data):
    return json.dumps(sp.read_start(data)).encode()


for line in sys.stdin:
    fields = line.split()
    if not fields or fields[0] == "#":
        continue
    form, name, verdict, state, digits, tail = *fields[:5], fields[5:]
    data = b"" if digits == "-" else bytes.fromhex(digits)
    try:
        if form == "down":
            made = down(state, data)
        elif form == "up" and verdict == "ok":
            made = remake(data)
        elif form == "receipt" and verdict == "ok":
            made = receipt(state, tail)
        elif form == "frame":
            made = sp.encode_frame(sp.decode_frame(data))
        elif form == "start":
            made = start(data)
        else:
            continue
        print(name, "ok", made.hex())
    except (sp.Fault, sp.Malformed) as e:
        print(name, e.word)
