"""What an error's Cause says, read from its raw text.

The Cause of a failed job or function is JSON, but Step Functions cuts what is too long for it: the rest is no JSON
any more, even where it happens to end in a brace, and `$parse` of it would throw inside the Catch, which ends the
execution without a reason. So texts are looked for one by one, and of a text that was cut what is left is given.
"""

from __future__ import annotations

_HEX = "[0-9a-fA-F]"
# One escape of JSON, whole: half an escape, or half of a surrogate pair, is no text. `\x5c` is the backslash:
# JSONata's tokenizer would take a written one before `]` or `/` for its own.
_ESCAPE = (
    r"\x5c(?:[\x22\x5cbfnrt]|\x2f"
    rf"|u[0-9a-cefA-CEF]{_HEX}{{3}}|u[dD][0-7]{_HEX}{{2}}"
    rf"|u[dD][89abAB]{_HEX}{{2}}\x5cu[dD][c-fC-F]{_HEX}{{2}})"
)
# Unrolled: an alternative a character would take a stack frame a character in some engines.
_PLAIN = r"[^\x22\x5c\x00-\x1f]*"
_TEXT = f"{_PLAIN}(?:{_ESCAPE}{_PLAIN})*"

_TOLD = """function($found) { $exists($found) ? $parse('"' & $found[0].groups[0] & '"') : '' }"""


def told(cause: str, key: str) -> str:
    """JSONata that gives the text at `key` in the JSON text `cause` (an expression), '' where there is none.

    A key inside another text is not found, since its quotes are escaped there.
    """
    return f"({_TOLD})($match({cause}, /\\x22{key}\\x22: ?\\x22({_TEXT})/, 1))"
