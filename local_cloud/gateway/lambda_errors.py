"""What Lambda calls an error: the class of the exception that left the handler."""

from __future__ import annotations


def error_type_of(log: str, message: str) -> str | None:
    """The bare class name of the exception whose traceback ends `log`; None where there is no such traceback.

    `message` is `str(exception)`: it may span lines and hold anything, so the name is what stands before it
    on the traceback's last entry.
    """
    text = log.rstrip()
    message = message.rstrip()
    if message and not text.endswith(message):
        return None
    head = text[: len(text) - len(message)].rstrip() if message else text
    qualified = head.rpartition("\n")[2].strip().removesuffix(":")
    name = qualified.rpartition(".")[2]
    return name if name.isidentifier() else None
