"""Tries at a conditional write that another may win, with pauses between them.

Whoever comes too late looks again and tries again. Many that do so at once, such as the runs of a backfill, would be in
each other's way as often as there are of them: so each waits for a random time first, up to twice as long after every
try as after the one before, measured by what a try takes
(https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter).
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator

# Where 20 plan at once that all take the same time, the last one is through with its 8th try to its 14th.
MOST = 20
_LONGEST = 60.0


def tries(
    most: int = MOST,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
    between: Callable[[float, float], float] = random.uniform,
) -> Iterator[int]:
    """Numbers from 0, with a pause before each but the first."""
    for number in range(most):
        began = clock()
        yield number
        if number + 1 < most:
            sleep(between(0, min(_LONGEST, (clock() - began) * 2 ** (number + 1))))
