"""What the command line ends with, beside 0 (it went well) and 1 (it did not)."""

from __future__ import annotations

USAGE = 2  # as argparse
DETACHED = 130  # by Ctrl-C, as a shell tells it
