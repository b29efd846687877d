"""Says again and again that what it was granted is lost, and looks at what it is
granted instead."""
import sys

sys.path.insert(0, sys.argv[1])
import sallyport

worker = sallyport.Worker()
wanted = int(worker.setting("times"))
worker.ready()
for n in range(wanted):
    name = ("load", "mem")[n % 2]
    before = worker.grants[name].token
    worker.lost(name)
    while worker.grants[name].token == before and not worker.stopping:
        worker.wait(0.001)
    if not worker.read(name).split():
        sys.exit("%s is empty" % name)
worker.status("%d handed over" % wanted)
while not worker.stopping:
    worker.wait(1)
