"""Sends every sensor that it is granted, and an alert when one is above its limit."""

import math  # whatever a worker needs is imported here: after Worker() no file opens any more
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import sallyport  # sdk/python/sallyport.py, copied beside this file

worker = sallyport.Worker()
limit = float(worker.setting("limit") or math.inf)
for _ in worker.every(worker.duration("every", 10)):
    for name, value in worker.values():
        worker.reading(name, value)
        if value > limit:
            worker.alert(name, value, f"above {limit:g}")
