"""A draft holds every tile whole, whoever adds it and however little the system takes at a time."""

from __future__ import annotations

import errno
import os
import struct
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from spectral.draft import Draft


def kept(draft: Draft, place: int, tile: bytes) -> bytes:
    return b"".join(bytes(part) for part in draft.read(place, place + len(tile) + 8, bytearray(100)))


def expected(tile: bytes) -> bytes:
    return struct.pack("<I", len(tile)) + tile + tile[-4:]


@pytest.fixture
def draft(tmp_path: Path):
    made = Draft(tmp_path / "x.draft")
    yield made
    made.close()
    assert not list(tmp_path.iterdir())


def test_tiles_of_many_threads_stand_side_by_side(draft: Draft):
    tiles = [os.urandom(4 + 37 * number) for number in range(100)]
    with ThreadPoolExecutor(8) as pool:
        places = list(pool.map(draft.add, tiles))
    for place, tile in zip(places, tiles, strict=True):
        assert kept(draft, place, tile) == expected(tile)
    ends = sorted((place, place + len(tile) + 8) for place, tile in zip(places, tiles, strict=True))
    assert [start for start, _ in ends] == [0, *(end for _, end in ends[:-1])]


def test_what_the_system_did_not_take_at_once_follows(draft: Draft, monkeypatch):
    real_all, real = os.pwritev, os.pwrite
    monkeypatch.setattr(os, "pwritev", lambda file, parts, place: real_all(file, [b"".join(parts)[:7]], place))
    monkeypatch.setattr(os, "pwrite", lambda file, part, place: real(file, part[:7], place))
    tiles = [os.urandom(50), os.urandom(20)]
    for place, tile in [(draft.add(tile), tile) for tile in tiles]:
        assert kept(draft, place, tile) == expected(tile)


def test_a_full_disk_is_said(draft: Draft, monkeypatch):
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwritev", lambda file, parts, place: 7)
    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(OSError, match="No space left"):
        draft.add(b"0123456789")


def test_a_draft_that_was_cut_short_is_said(draft: Draft, tmp_path: Path):
    end = draft.add(b"0123456789") + 18
    (path,) = tmp_path.iterdir()
    os.truncate(path, 5)
    with pytest.raises(OSError, match="the draft ends before a tile"):
        list(draft.read(0, end, bytearray(64)))
