"""Several slow generators read at the same time, through one short queue."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import Full, Queue
from typing import TypeVar

Thing = TypeVar("Thing")

_PATIENCE = 0.2  # seconds between looks at whether anybody still listens


def side_by_side(sources: Sequence[Callable[[], Iterator[Thing]]], *, at_once: int) -> Iterator[Thing]:
    """What `sources` give, `at_once` of them at a time, as it comes. The first error ends all, and is raised here.

    No more is read ahead than `at_once` things and as many again.
    """
    queue: Queue[tuple[bool, Thing | BaseException | None]] = Queue(at_once)
    over = threading.Event()

    def put(is_end: bool, thing: Thing | BaseException | None) -> bool:
        while not over.is_set():
            try:
                queue.put((is_end, thing), timeout=_PATIENCE)
            except Full:
                continue
            return True
        return False

    def read(source: Callable[[], Iterator[Thing]]) -> None:
        try:
            for thing in source():
                if not put(False, thing):
                    return
        except BaseException as error:  # noqa: BLE001 (raised again where it is read)
            put(True, error)
        else:
            put(True, None)

    with ThreadPoolExecutor(at_once) as pool:
        try:
            for source in sources:
                pool.submit(read, source)
            left = len(sources)
            while left:
                is_end, thing = queue.get()
                if isinstance(thing, BaseException):
                    raise thing
                if is_end:
                    left -= 1
                else:
                    yield thing  # type: ignore[misc]
        finally:
            over.set()
            pool.shutdown(wait=True, cancel_futures=True)
