"""Goes on until it is asked to stop."""

import signal
import sys
import time

signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print("it goes on")
time.sleep(600)
