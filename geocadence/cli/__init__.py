"""The command line: `geocadence VERB`, the same against AWS and, with `--local`, the local cloud."""

from geocadence.cli.main import main

__all__ = ["main"]
