"""Whose product a file is, by the scene's id in its path."""

from __future__ import annotations

from collections.abc import Collection, Iterable

Span = tuple[int, int]


class Owners:
    """Finds the one scene, of `ids`, whose id a path holds."""

    def __init__(self, ids: Collection[str]) -> None:
        self._ids = frozenset(ids)
        self._lengths = sorted({len(each) for each in ids}, reverse=True)

    def of(self, path: str) -> str | None:
        """The scene that a file is of.

        | path | ids | scene |
        |---|---|---|
        | `ndvi_S2_1.tif`, `S2_1/ndvi.tif` | S2_1 | S2_1 |
        | `ndvi_S2_10.tif` | S2_1 | none: an id does not end within a number or word |
        | `ndvi_S2_1_0.tif` | S2_1, S2_1_0 | S2_1_0: the longer id, in which the shorter one is a part |
        | `change_S2_1_S2_2.tif` | S2_1, S2_2 | none: it is of two, and scenes share no file |
        """
        found = list(self._ids_in(path))
        whole = {path[start:end] for start, end in found if not any(_within((start, end), other) for other in found)}
        return whole.pop() if len(whole) == 1 else None

    def _ids_in(self, path: str) -> Iterable[Span]:
        for start in range(len(path)):
            if _within_a_word(path, start):
                continue
            for length in self._lengths:
                end = start + length
                if path[start:end] in self._ids and not _within_a_word(path, end):
                    yield start, end


def _within_a_word(path: str, place: int) -> bool:
    return 0 < place < len(path) and path[place - 1].isalnum() and path[place].isalnum()


def _within(span: Span, other: Span) -> bool:
    return span != other and other[0] <= span[0] and span[1] <= other[1]
