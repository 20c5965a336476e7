"""The offset policy, row by row, and the check that only warns."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from spectral import radiometry
from spectral.failures import InputFailure
from spectral.radiometry import dark_dn
from spectral.scenes import SEARCH_RASTER
from spectral.sensors import HLS_S30, LANDSAT_OLI, SENTINEL2

from tests.processing_scripts.factory import Folder, random_dn

IN_ASSET = {"raster:bands": [{"scale": 0.0001, "offset": -0.1, "nodata": 0}]}
ZERO_IN_ASSET = {"raster:bands": [{"scale": 0.0001, "offset": 0}]}
STAC_1_1 = {"bands": [{"name": "B04", "raster:scale": 0.0001, "raster:offset": -0.1}]}
ON_ASSET = {"raster:scale": 0.0001, "raster:offset": -0.1}
APPLIED, NOT_APPLIED = {"earthsearch:boa_offset_applied": True}, {"earthsearch:boa_offset_applied": False}


def decide(item, asset, **keywords):
    return radiometry.decide(item, asset, sensor=SENTINEL2, symbol="R", **keywords)


def plausible(**keywords):
    return radiometry.plausible(sensor=SENTINEL2, **keywords)


def baseline(version):
    return {"s2:processing_baseline": version}


@pytest.mark.parametrize(
    ("properties", "asset", "override", "offset", "source"),
    [
        # An override beats everything.
        (APPLIED, IN_ASSET, -0.1, -0.1, "argument"),
        (baseline("05.11"), IN_ASSET, 0.0, 0.0, "argument"),
        # The flag beats raster:bands, which real items of Earth Search contradict.
        (APPLIED, IN_ASSET, None, 0.0, "boa_offset_applied"),
        ({**APPLIED, **baseline("05.09")}, {}, None, 0.0, "boa_offset_applied"),
        # As Earth Search's first version called them.
        ({"sentinel:boa_offset_applied": True}, IN_ASSET, None, 0.0, "boa_offset_applied"),
        ({"sentinel:processing_baseline": "04.00"}, {}, None, -0.1, "processing_baseline"),
        # The flag when false says nothing by itself.
        (NOT_APPLIED, IN_ASSET, None, -0.1, "raster:bands"),
        (NOT_APPLIED, {}, None, 0.0, "unknown"),
        ({"earthsearch:boa_offset_applied": "true"}, IN_ASSET, None, -0.1, "raster:bands"),
        # raster:bands beat the baseline, in every version of the metadata.
        (baseline("05.11"), ZERO_IN_ASSET, None, 0.0, "raster:bands"),
        (baseline("02.12"), IN_ASSET, None, -0.1, "raster:bands"),
        ({}, STAC_1_1, None, -0.1, "raster:bands"),
        ({}, ON_ASSET, None, -0.1, "raster:bands"),
        # The baseline.
        (baseline("04.00"), {}, None, -0.1, "processing_baseline"),
        (baseline("05.11"), {"raster:bands": [{"scale": 0.0001}]}, None, -0.1, "processing_baseline"),
        (baseline("03.01"), {}, None, 0.0, "processing_baseline"),
        (baseline("10.00"), {}, None, -0.1, "processing_baseline"),
        ({"processing:version": "05.11"}, {}, None, -0.1, "processing_baseline"),
        (baseline(5.11), {}, None, -0.1, "processing_baseline"),
        # Nothing to go by.
        ({}, {}, None, 0.0, "unknown"),
        (baseline("new"), {}, None, 0.0, "unknown"),
        ({}, {"raster:bands": [{"scale": 0.0001, "offset": "?"}]}, None, 0.0, "unknown"),
    ],
)
def test_the_offset_follows_the_policy(properties, asset, override, offset, source):
    decision = decide({"properties": properties}, asset, override=override)
    assert (decision.offset, decision.source) == (offset, source)
    assert decision.reason.endswith(".")


@pytest.mark.parametrize("name", ["scale", "offset"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_scale_or_offset_that_is_no_finite_number_is_refused(name, value):
    """What stands there is broken: the sensor's usual value would be a guess at what was meant."""
    with pytest.raises(InputFailure, match=f"gives the {name} {value}, by which no pixel has a value"):
        decide({"properties": {}}, {"raster:bands": [{"scale": 1e-4, "offset": 0, name: value}]})


def test_an_offset_that_is_no_number_does_not_matter_where_the_arguments_give_one():
    """They go first; and who knows what was meant has no other way to say so. Of temperatures they say nothing."""
    broken = {"raster:bands": [{"scale": 1e-4, "offset": float("nan")}]}
    assert decide({"properties": {}}, broken, override=-0.1).offset == -0.1
    with pytest.raises(InputFailure, match="gives the offset nan"):
        radiometry.decide({"properties": {}}, broken, sensor=LANDSAT_OLI, symbol="T1", override=0.0)


def test_a_contradiction_is_named():
    assert "though raster:bands gives -0.1" in decide({"properties": APPLIED}, IN_ASSET).reason


def test_items_of_search_raster_data_collection_are_unknown():
    decision = decide({"properties": {}}, {}, shape=SEARCH_RASTER)
    assert decision.source == "unknown"
    assert "SearchRasterDataCollection" in decision.reason


def test_a_scale_of_zero_is_refused():
    with pytest.raises(InputFailure, match="scale"):
        decide({"properties": {}}, {"raster:bands": [{"scale": 0}]})


@pytest.mark.parametrize(
    ("dark", "offset", "verdict"),
    [
        (300, -0.1, False),
        (749, -0.1, False),
        (750, -0.1, True),
        (1200, -0.1, True),
        (300, 0.0, True),
        (999, 0.0, True),
        (1000, 0.0, False),
        (1600, 0.0, False),
        (1601, 0.0, None),
        (1601, -0.1, None),
        (None, 0.0, None),
    ],
)
def test_dark_pixels_speak_for_or_against_the_offset(dark, offset, verdict):
    assert plausible(dark=dark, offset=offset, scale=1e-4)[0] is verdict


def test_the_check_keeps_silent_on_other_sensors():
    assert plausible(dark=300, offset=-0.2, scale=2.75e-5)[0] is None
    assert radiometry.plausible(dark=1200, offset=0.0, scale=1e-4, sensor=HLS_S30)[0] is None


def test_the_darkest_percent():
    counts = np.zeros(65536, dtype=int)
    counts[500], counts[1200], counts[4000] = 20, 1000, 1000
    assert dark_dn(counts) == 1200
    counts[500] = 30
    assert dark_dn(counts) == 500
    assert dark_dn(counts // 100) is None


def test_an_implausible_offset_is_applied_all_the_same_and_warned_of(folder: Folder, log: io.StringIO):
    """earth-search#71: the item says that the offset is in the pixels, and it isn't."""
    shape = (128, 128)
    folder.scene(
        red=random_dn(shape, low=200, high=2000, seed=1),
        nir=random_dn(shape, low=1500, high=4000, seed=2),
        properties=NOT_APPLIED,
    )
    folder.run(stream=log)
    record = folder.item()["properties"]["geocadence:offset"]
    assert record["value"] == -0.1
    assert record["source"] == "processing_baseline"
    assert record["plausible"] is False
    (line,) = [line for line in map(json.loads, log.getvalue().splitlines()) if line["event"] == "scene"]
    assert "removed from the pixels before" in line["warnings"][0]


def test_every_product_says_what_was_decided(folder: Folder):
    bands = {"red": random_dn((8, 8)), "nir": random_dn((8, 8))}
    folder.scene("APPLIED", **bands, properties=APPLIED)
    folder.scene("OLD", **bands, properties=baseline("03.00"))
    folder.scene("NEW", **bands)
    folder.scene("UNKNOWN", **bands, properties=baseline(None))
    folder.run()
    decided = {name: folder.item(name)["properties"] for name in ("APPLIED", "OLD", "NEW", "UNKNOWN")}
    assert {name: properties["geocadence:offset"]["source"] for name, properties in decided.items()} == {
        "APPLIED": "boa_offset_applied",
        "OLD": "processing_baseline",
        "NEW": "processing_baseline",
        "UNKNOWN": "unknown",
    }
    assert "DN × 0.0001 -0.1" in decided["NEW"]["processing:lineage"]
    assert "DN × 0.0001 +0;" in decided["OLD"]["processing:lineage"]


def test_bands_that_differ_are_recorded_one_by_one(folder: Folder):
    item = folder.scene(red=random_dn((8, 8)), nir=random_dn((8, 8)), add=False)
    item["assets"]["red"].update(ZERO_IN_ASSET)
    folder.add(item)
    folder.run()
    record = folder.item()["properties"]["geocadence:offset"]
    assert record["bands"] == {"red": {"value": 0.0, "scale": 0.0001}, "nir": {"value": -0.1, "scale": 0.0001}}
