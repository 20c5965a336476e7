"""Comes to its end without a word of its own: killed as the kernel kills, or out of memory."""

import argparse
import os
import signal

arguments = argparse.ArgumentParser()
arguments.add_argument("--by")
print("reading the mosaic", flush=True)
if arguments.parse_args().by == "kill":
    os.kill(os.getpid(), signal.SIGKILL)
bytearray(1 << 46)
