"""HTTP that does not give up at once: retries, time-outs, and what a catalogue's refusal means."""

from __future__ import annotations

from urllib3.util.retry import Retry

CONNECT_SECONDS = 10
READ_SECONDS = 60
TIMEOUT = (CONNECT_SECONDS, READ_SECONDS)


class CatalogueUnavailable(Exception):
    """The source catalogue did not answer, or not with what it should; a later run may go well."""


class CatalogueRefused(Exception):
    """The catalogue understood and said no: asking again does not help."""


def retries(*, total: int = 6, backoff_seconds: float = 0.5) -> Retry:
    """Retries of GET and POST (a search changes nothing) on 429, 5xx and broken connections.

    Waits 0, 1, 2, 4, … times `backoff_seconds` with jitter, or what Retry-After says, a minute at most.
    """
    return Retry(
        total=total,
        backoff_factor=backoff_seconds,
        backoff_jitter=backoff_seconds / 2,
        backoff_max=30,
        status_forcelist=(429, 500, 502, 503, 504),
        allowed_methods=None,
        respect_retry_after_header=True,
        retry_after_max=60,
        raise_on_status=False,
    )
