"""Statistics of blocks that several threads count, against numpy's own of all values together."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from spectral import statistics
from spectral.statistics import Statistics


def blocks_of(dtype: str) -> list[np.ndarray]:
    made = np.random.default_rng(5).normal(3000, 900, (40, 32, 64)).astype(dtype)
    made[:, :4] = statistics.PACKED_NODATA if dtype == "int16" else statistics.FLOAT_NODATA
    return list(made)


def counted(blocks: list[np.ndarray], *, threads: int) -> dict:
    made = Statistics(packed=blocks[0].dtype == np.int16)
    with ThreadPoolExecutor(threads) as pool:
        for tally in pool.map(made.tally, blocks):
            made.add(tally, 0)
    return made.result()


@pytest.mark.parametrize("dtype", ["int16", "float32"])
def test_any_number_of_threads_counts_the_same(dtype, libraries):
    blocks = blocks_of(dtype)
    assert counted(blocks, threads=8) == counted(blocks, threads=1)


@pytest.mark.parametrize("dtype", ["int16", "float32"])
def test_more_values_than_a_table_holds_are_counted_all(dtype, libraries, monkeypatch):
    blocks = blocks_of(dtype)
    expected = counted(blocks, threads=1)
    monkeypatch.setattr(statistics, "_MOST_KEYS", 3 * blocks[0].size)
    assert counted(blocks, threads=2) == expected


def test_what_is_counted_is_what_numpy_finds(libraries):
    blocks = blocks_of("int16")
    found = counted(blocks, threads=3)
    valid = np.concatenate(blocks, axis=None)
    valid = valid[valid != statistics.PACKED_NODATA]
    assert (found["count"], found["minimum"], found["maximum"]) == (valid.size, valid.min(), valid.max())
    assert found["mean"] == pytest.approx(valid.mean(dtype=np.float64), abs=0.01)
    assert found["percentiles"]["p50"] == np.percentile(valid, 50, method="inverted_cdf")
    assert sum(found["histogram"]["buckets"]) == valid.size
