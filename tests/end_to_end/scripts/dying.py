"""Comes to its end without a word of its own: out of memory, as Python tells it or as the kernel kills for it."""

import argparse
import time

arguments = argparse.ArgumentParser()
arguments.add_argument("--by")
print("reading the mosaic", flush=True)
if arguments.parse_args().by == "kill":
    # From outside: the first process of a container can't be killed from within, not by itself either.
    time.sleep(60)
bytearray(1 << 46)
