"""JSON by the hundred thousand: what the fast library refuses is read and written all the same."""

from __future__ import annotations

import gc
import gzip
import json
import math
from typing import Any

import pytest

from geocadence.fast_json import dumps, loads
from geocadence.garbage import rarely_collected
from geocadence.plan.shelf import Shelf
from tests.geocadence.scenes import item


@pytest.mark.parametrize("text", ['{"a": "\\ud800"}', '{"a": NaN}'])
def test_what_other_peoples_items_hold_is_read_as_the_standard_library_does(text: str) -> None:
    assert repr(loads(text)) == repr(json.loads(text))


def test_what_is_no_json_is_none() -> None:
    with pytest.raises(ValueError, match="Expecting"):
        loads('{"a": ')


@pytest.mark.parametrize("data", [{"a": "ü\ud800\n"}, {"a": 2**70}, {1: "a"}, {"a": (1, 2)}])
def test_whatever_is_written_is_one_line_that_reads_the_same(data: Any) -> None:
    written = dumps(data)

    assert b"\n" not in written
    assert json.loads(written) == json.loads(json.dumps(data))


def test_numbers_are_written_to_the_last_bit() -> None:
    numbers = [0.1, 1e-7, math.pi, 5e-324, 1.7976931348623157e308, 2**53 + 1]

    assert json.loads(dumps(numbers)) == numbers


def test_items_on_the_shelf_are_members_of_a_gzip_file_that_anybody_reads() -> None:
    with Shelf() as shelf:
        places = [shelf.put(item(n)) for n in range(2)]

        assert json.loads(gzip.decompress(shelf.member(places[1]))) == item(1)
        together = b"".join(shelf.member(place) for place in places)
    assert gzip.decompress(together) == b"".join(dumps(item(n)) for n in range(2))


def test_an_items_footprint_is_told_from_the_shelf_without_the_item() -> None:
    without = {name: value for name, value in item(1).items() if name != "geometry"}
    with Shelf() as shelf:
        places = [shelf.put(each) for each in (item(0), without, item(2))]
        shelf.member = lambda place: pytest.fail("a hundred thousand Items take long to unpack")  # type: ignore[method-assign]

        assert [shelf.footprint(place) for place in places] == [item(0)["geometry"], None, item(2)["geometry"]]


def test_cycles_are_looked_for_as_before_once_the_items_are_through() -> None:
    before = gc.get_threshold()
    with pytest.raises(ZeroDivisionError), rarely_collected():
        assert gc.get_threshold()[0] > 100 * before[0]
        _ = 1 / 0

    assert gc.get_threshold() == before
