"""A whole worker in Python: sends what it reads, or prints what it hears."""

import sys

sys.path.insert(0, sys.argv[1])
import sallyport

worker = sallyport.Worker()
if worker.setting("role") == "send":
    for _ in worker.every(worker.duration("every", 10)):
        for name, value in worker.values():
            worker.reading(name, value)
            if value > 80:
                worker.alert(name, value, "too \x1b hot " + "é" * 200)
else:
    for item in worker.items():
        print("alert" if item.alert else "reading", item.sensor, item.worker, item.value, item.unit, item.text, item.seq, flush=True)
