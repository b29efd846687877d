"""Prints what the other workers send; the supervisor logs it under this worker's name."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import sallyport  # sdk/python/sallyport.py, copied beside this file

worker = sallyport.Worker()
for item in worker.items():
    print("ALERT" if item.alert else "reading", item.sensor, f"{item.value:g}", item.unit, item.text, flush=True)
