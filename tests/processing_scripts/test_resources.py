"""What scenes share: memory bounds what is in the making, and scenes overlap without computing at once."""

from __future__ import annotations

import threading
import time
import weakref

import pytest
from spectral.cli import main
from spectral.resources import SMALLEST_MEMORY, Resources, usual_memory

from tests.processing_scripts.factory import Folder, random_dn

MB = 1 << 20


@pytest.mark.parametrize(
    ("memory", "working", "result", "expected"),
    [
        (SMALLEST_MEMORY, 16 * MB, 1 * MB, 1),
        (SMALLEST_MEMORY, 1 * MB, 1 * MB, 8),
        (400 * MB, 16 * MB, 1 * MB, 7),
        # Eight that are computed leave 56 MB for those that wait.
        (400 * MB, 8 * MB, 16 * MB, 8 + 3),
        (4000 * MB, 16 * MB, 1 * MB, 16),
        (4000 * MB, 1000 * MB, 1 * MB, 1),
    ],
)
def test_memory_bounds_the_blocks_in_the_making(memory, working, result, expected):
    with Resources(threads=8, memory=memory) as resources:
        assert resources.blocks(working, result) == expected


@pytest.mark.parametrize("indices", ["NDVI", "NDVI,SAVI,GNDVI,NDWI,EVI"])
def test_what_is_usual_for_two_threads_holds_two_blocks_a_thread_of_one_index_and_of_five(
    folder: Folder, monkeypatch, indices
):
    """With fewer, a thread has nothing to do whenever a block that is done waits for its turn."""
    from spectral import computing

    shape = (1024, 1024)
    folder.scene(**{band: random_dn(shape, seed=seed) for seed, band in enumerate(("blue", "green", "red", "nir"))})
    found, real = [], computing.in_order
    monkeypatch.setattr(computing, "in_order", lambda *more, ahead: found.append(ahead) or real(*more, ahead=ahead))
    folder.run(indices, memory=384 * MB, threads=2)
    assert found[0] == 4


def test_what_is_usual_grows_with_the_threads_and_has_a_lower_bound():
    assert SMALLEST_MEMORY <= usual_memory(1) <= usual_memory(2) <= usual_memory(64)
    assert usual_memory(2) <= 400 * MB


def test_too_little_memory_is_refused_beforehand(folder: Folder, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--input", str(folder.input), "--indices", "NDVI", "--memory", "50", "--check"])
    assert ended.value.code == 2
    assert "--memory 50 is below 200" in capsys.readouterr().err


def test_the_next_scene_begins_while_one_is_written(folder: Folder, monkeypatch):
    """The first scene's writing waits for the second scene to be computed; one after the other would not end."""
    from spectral import computing

    for name in ("A", "B"):
        folder.scene(name, red=random_dn((40, 40), seed=1), nir=random_dn((40, 40), seed=2))
    computed, finish, write = threading.Event(), computing._finished, computing.write_preview

    def watched(indices, writers, statistics, preview, resources):
        if preview.name.startswith("B"):
            computed.set()
        return finish(indices, writers, statistics, preview, resources)

    def waiting(*more):
        assert computed.wait(30)
        return write(*more)

    monkeypatch.setattr(computing, "_finished", watched)
    monkeypatch.setattr(computing, "write_preview", waiting)
    folder.run()
    assert folder.failures() == {}
    assert folder.products() == {"A", "B"}


def test_where_the_preview_fails_no_file_is_closed_under_who_still_hashes_it(folder: Folder, monkeypatch):
    from spectral import computing
    from spectral.cog import CogWriter

    folder.scene("A", red=random_dn((40, 40), seed=1), nir=random_dn((40, 40), seed=2))
    hashing, failed, order = threading.Event(), threading.Event(), []
    digest, close = CogWriter.digest, CogWriter.close

    def slow(writer):
        hashing.set()
        assert failed.wait(30)
        time.sleep(0.1)
        found = digest(writer)
        order.append("hashed")
        return found

    def failing(*_):
        assert hashing.wait(30)
        failed.set()
        raise ValueError("no picture")

    monkeypatch.setattr(CogWriter, "digest", slow)
    monkeypatch.setattr(CogWriter, "close", lambda writer: [order.append("closed"), close(writer)])
    monkeypatch.setattr(computing, "write_preview", failing)
    folder.run(threads=2)
    assert "no picture" in folder.failures()["A"]["reason"]
    assert order == ["hashed", "closed"]


def test_what_a_scene_was_computed_in_is_free_before_it_is_written(folder: Folder, monkeypatch):
    """The next scene is computed meanwhile, and takes as much again."""
    from spectral import computing
    from spectral.engine import Job
    from spectral.tiles import TileSource

    folder.scene(red=random_dn((600, 600), seed=1), nir=random_dn((600, 600), seed=2))
    buffers, alive = [], []
    values, buffer, finish = Job._values, TileSource._buffer, computing._finished

    def stored(job, *more, **keywords):
        found = values(job, *more, **keywords)
        buffers.extend(weakref.ref(array) for array, _ in found.values())
        return found

    def unpacked(source, *more):
        found = buffer(source, *more)
        buffers.append(weakref.ref(found.base))
        return found

    def finished(*more):
        alive.extend(ref for ref in buffers if ref() is not None)
        return finish(*more)

    monkeypatch.setattr(Job, "_values", stored)
    monkeypatch.setattr(TileSource, "_buffer", unpacked)
    monkeypatch.setattr(computing, "_finished", finished)
    folder.run()
    assert len(buffers) >= 3
    assert not alive
    assert folder.products() == {"S2X"}


def test_one_scene_computes_at_a_time(folder: Folder, monkeypatch):
    from spectral.engine import Job

    for number in range(6):
        folder.scene(f"S{number}", red=random_dn((40, 40), seed=1), nir=random_dn((40, 40), seed=2))
    running, most, compute = set(), [], Job.compute

    def watched(job, *more, **keywords):
        running.add(id(job))
        most.append(len(running))
        try:
            return compute(job, *more, **keywords)
        finally:
            running.discard(id(job))

    monkeypatch.setattr(Job, "compute", watched)
    folder.run()
    assert len(folder.products()) == 6
    assert max(most) == 1
