"""What ends a synthesis with a sentence instead of a traceback."""

from __future__ import annotations


class Refused(Exception):
    """Something that whoever runs the synthesis can put right; the text says what and how."""
