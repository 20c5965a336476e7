"""Which versions of an acquisition the catalogue has: the newest of each part, and never none where there was one."""

from __future__ import annotations

from typing import Any

import duckdb
import pytest

from geocadence.close import items_table
from tests.geocadence.pipeline import Pipeline, in_memory, linked, table
from tests.geocadence.scenes import counted, definition, item, part, scene_id, stac_source

OLD, NEW = ({"s2:processing_baseline": baseline} for baseline in ("05.10", "05.11"))
MADE_FROM = 'id, "geocadence:baseline"'


@pytest.fixture
def pipeline() -> Pipeline:
    return in_memory([])


def left(counter: str, **properties: Any) -> dict[str, Any]:
    return part(counter, -8.0, -7.5, **properties)


def right(counter: str, **properties: Any) -> dict[str, Any]:
    """It overlaps the left part by a fiftieth."""
    return part(counter, -7.51, -7.0, **properties)


def whole(counter: str, **properties: Any) -> dict[str, Any]:
    return part(counter, -8.0, -7.0, **properties)


def test_both_parts_of_a_split_tile_are_kept(pipeline: Pipeline, tmp_path: Any) -> None:
    first, second = left("0"), right("1")
    pipeline.items = [first]
    pipeline.run("a")
    pipeline.items = [first, second]
    pipeline.run("b")

    assert table(pipeline, tmp_path) == [first["id"], second["id"]]


SAYS = {
    "the whole raster, as rio-stac does": {"geometry": part("0", -8.0, -7.0)["geometry"]},
    "what an area left of it": {"geometry": part("0", -7.6, -7.4)["geometry"]},
    "nothing": {"geometry": None, "bbox": None},
}


@pytest.mark.parametrize("says", SAYS.values(), ids=SAYS)
@pytest.mark.parametrize("is_adopted", [False, True])
def test_both_parts_are_kept_wherever_the_script_says_that_products_lie(
    pipeline: Pipeline, tmp_path: Any, says: dict[str, Any], is_adopted: bool
) -> None:
    pipeline.says = says
    pipeline.items = [left("0", **OLD), right("1", **OLD)]
    first, second = (each["id"] for each in pipeline.items)
    if is_adopted:
        aborted = pipeline.plan("aborted")
        pipeline.work(aborted, is_reconciled=False)
        pipeline.abort(aborted)
    pipeline.run("a")
    assert table(pipeline, tmp_path) == linked(pipeline) == [first, second]

    pipeline.items = [left("0", **NEW), right("1", **OLD)]
    pipeline.run("b")

    assert table(pipeline, tmp_path, MADE_FROM) == [(first, "05.11"), (second, "05.10")]
    assert pipeline.run("c")["outcome"] == "empty"
    assert pipeline.jobs == [first, second, first]


@pytest.mark.parametrize("says", SAYS.values(), ids=SAYS)
def test_a_scene_that_is_listed_again_is_no_other_where_its_product_was_cut(
    pipeline: Pipeline, says: dict[str, Any]
) -> None:
    pipeline.says = says
    pipeline.items = [counted("1")]
    pipeline.run("a")
    pipeline.items = [counted("0"), counted("1")]

    again = pipeline.run("b")

    assert pipeline.decisions(again)[counted("0")["id"]][0] == "rejected"
    assert again["outcome"] == "empty"


@pytest.mark.parametrize("counter", ["0", "2"])
def test_a_part_of_a_split_tile_that_is_processed_anew_leaves_the_other_alone(
    pipeline: Pipeline, tmp_path: Any, counter: str
) -> None:
    """Under its old id, or under another."""
    pipeline.items = [left("0", **OLD), right("1", **OLD)]
    pipeline.run("a")
    pipeline.items = [left(counter, **NEW), right("1", **OLD)]

    planned = pipeline.run("b")

    anew, other = (each["id"] for each in pipeline.items)
    assert pipeline.decisions(planned)[other] == ("skip", "its product is in place")
    assert sorted(table(pipeline, tmp_path, MADE_FROM)) == sorted([(anew, "05.11"), (other, "05.10")])
    assert sorted(linked(pipeline)) == sorted([anew, other])
    assert pipeline.run("c")["outcome"] == "empty"


def test_of_two_parts_that_are_processed_anew_the_one_that_fails_stays_as_it_was(
    pipeline: Pipeline, tmp_path: Any
) -> None:
    pipeline.items = [left("0", **OLD), right("1", **OLD)]
    pipeline.run("a")
    pipeline.items = [left("0", **NEW), right("1", **NEW)]

    planned = pipeline.plan("b")
    pipeline.work(planned, but=(pipeline.items[1]["id"],))
    pipeline.close(planned)

    first, second = (each["id"] for each in pipeline.items)
    assert table(pipeline, tmp_path, MADE_FROM) == [(first, "05.11"), (second, "05.10")]
    assert linked(pipeline) == [first, second]


def test_a_tile_that_is_split_anew_makes_way_when_all_parts_are_there(pipeline: Pipeline, tmp_path: Any) -> None:
    pipeline.items = [whole("0", **OLD)]
    pipeline.run("a")
    pipeline.items += [left("1", **NEW), right("2", **NEW)]
    old, first, second = (each["id"] for each in pipeline.items)

    planned = pipeline.plan("b")
    assert pipeline.decisions(planned)[old] == (
        "rejected",
        f"superseded by {first} and {second}, of processing baseline 05.11 (this one's is 05.10)",
    )
    pipeline.work(planned, but=(second,))
    pipeline.close(planned)
    assert table(pipeline, tmp_path) == linked(pipeline) == [old, first]

    pipeline.run("c")
    assert table(pipeline, tmp_path) == linked(pipeline) == [first, second]
    assert pipeline.run("d")["outcome"] == "empty"


def test_parts_make_way_for_the_whole(pipeline: Pipeline, tmp_path: Any) -> None:
    pipeline.items = [left("0", **OLD), right("1", **OLD)]
    pipeline.run("a")
    pipeline.items.append(whole("2", **NEW))

    planned = pipeline.run("b")

    first, second, anew = (each["id"] for each in pipeline.items)
    assert pipeline.decisions(planned)[anew] == (
        "new",
        f"replaces {first}, {second}, made from an older processing baseline",
    )
    assert table(pipeline, tmp_path) == linked(pipeline) == [anew]


def test_a_part_that_was_updated_last_does_not_take_the_place_of_the_whole(pipeline: Pipeline, tmp_path: Any) -> None:
    everything = whole("0", **OLD, updated="2026-11-04T00:00:00Z")
    sliver = part("1", -7.1, -7.0, **OLD, updated="2026-11-05T00:00:00Z")
    pipeline.items = [everything, sliver]

    planned = pipeline.run("a")

    assert table(pipeline, tmp_path) == [everything["id"]]
    assert pipeline.decisions(planned)[sliver["id"]] == (
        "rejected",
        f"superseded by {everything['id']}, of the same acquisition and processing baseline",
    )


def test_a_replaced_product_stays_until_what_replaces_it_is_there(pipeline: Pipeline, tmp_path: Any) -> None:
    pipeline.items = [counted("0", properties=OLD)]
    pipeline.run("a")
    pipeline.items.append(counted("1", properties=NEW))
    old, new = (each["id"] for each in pipeline.items)

    planned = pipeline.plan("b")
    pipeline.work(planned, but=(new,))
    pipeline.close(planned)

    assert table(pipeline, tmp_path) == linked(pipeline) == [old]


def test_a_footprint_over_the_antimeridian_covers_itself_however_it_is_written(
    pipeline: Pipeline, tmp_path: Any
) -> None:
    def over(counter: str, *boxes: tuple[float, float], **properties: Any) -> dict[str, Any]:
        rings = [[[w, 38.0], [e, 38.0], [e, 39.0], [w, 39.0], [w, 38.0]] for w, e in boxes]
        geometry = {"type": "MultiPolygon", "coordinates": [[ring] for ring in rings]}
        return counted(counter, geometry=geometry, properties=properties)

    pipeline.items = [over("0", (179.0, 180.0), (-180.0, -179.0), **OLD)]
    pipeline.run("a")
    pipeline.items = [over("1", (179.0, 181.0), **NEW)]
    pipeline.run("b")
    assert table(pipeline, tmp_path) == [pipeline.items[0]["id"]]


def test_a_table_with_two_versions_of_one_acquisition_heals(
    pipeline: Pipeline, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As earlier releases could leave it; of what is listed no more, too."""
    pipeline.items = [counted("0", properties=OLD), item(4)]
    pipeline.run("a")
    pipeline.items.append(counted("1", properties=NEW))
    with monkeypatch.context() as patched:
        patched.setattr(items_table, "leaving", lambda products: set())
        pipeline.run("b")
    old, other, new = (each["id"] for each in pipeline.items)
    assert set(table(pipeline, tmp_path)) == {old, other, new}

    pipeline.items = [counted("0", properties=OLD), item(4)]
    looked = pipeline.plan("dry", {"dry_run": True})
    pipeline.close(looked)
    assert set(table(pipeline, tmp_path)) == {old, other, new}
    healing = pipeline.run("c")

    assert healing["outcome"] == "empty"
    assert table(pipeline, tmp_path) == linked(pipeline) == [new, other]
    assert not pipeline.plan("d")["document"]["unsettled"]


def without_columns(pipeline: Pipeline, tmp_path: Any, *names: str) -> None:
    """The table as code wrote it that knew none of these."""
    before, older = tmp_path / "before.parquet", tmp_path / "older.parquet"
    etag = pipeline.outputs.fetch("ndvi/items.parquet", before)
    since = ", ".join(f'"geocadence:{name}"' for name in names)
    duckdb.sql(f"COPY (SELECT * EXCLUDE ({since}) FROM '{before}') TO '{older}' (FORMAT parquet)")  # noqa: S608
    pipeline.outputs.replace_file("ndvi/items.parquet", older, etag=etag, content_type="")


def test_a_table_of_before_it_said_where_scenes_lie_is_added_to(pipeline: Pipeline, tmp_path: Any) -> None:
    pipeline.items = [left("0", **OLD)]
    pipeline.run("a")
    without_columns(pipeline, tmp_path, "footprint", "modified")
    pipeline.says = {"geometry": None, "bbox": None}
    pipeline.items += [right("1", **OLD), left("2", **NEW)]
    _, other, anew = (each["id"] for each in pipeline.items)

    pipeline.run("b")

    assert sorted(table(pipeline, tmp_path)) == sorted([other, anew])
    assert pipeline.run("c")["outcome"] == "empty"


@pytest.fixture
def of_rasters(pipeline: Pipeline, tmp_path: Any) -> Pipeline:
    """Both parts of a split tile, in a table of before it said where scenes lie, by a script that says the raster's."""
    pipeline.says = SAYS["the whole raster, as rio-stac does"]
    pipeline.items = [left("0", **OLD), right("1", **OLD)]
    pipeline.run("a")
    without_columns(pipeline, tmp_path, "footprint")
    return pipeline


def test_parts_in_such_a_table_stay_where_runs_look_at_other_scenes(of_rasters: Pipeline, tmp_path: Any) -> None:
    parts = [each["id"] for each in of_rasters.items]
    of_rasters.items = [item(4)]

    of_rasters.run("b")

    assert table(of_rasters, tmp_path) == [*parts, scene_id(4)]


@pytest.mark.parametrize("anew", [0, 1])
def test_parts_in_such_a_table_are_each_processed_anew_by_itself(
    of_rasters: Pipeline, tmp_path: Any, anew: int
) -> None:
    parts = [each["id"] for each in of_rasters.items]
    of_rasters.items = [left("0", **(NEW if anew == 0 else OLD)), right("1", **(NEW if anew == 1 else OLD))]

    planned = of_rasters.run("b")

    assert of_rasters.decisions(planned)[parts[1 - anew]] == ("skip", "its product is in place")
    assert table(of_rasters, tmp_path, MADE_FROM) == [
        (part, "05.11" if n == anew else "05.10") for n, part in enumerate(parts)
    ]
    assert of_rasters.run("c")["outcome"] == "empty"


def test_two_versions_in_such_a_table_are_told_apart_from_parts_where_they_are_listed(
    of_rasters: Pipeline, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_rasters.items.append(left("2", **NEW))
    with monkeypatch.context() as patched:
        patched.setattr(items_table, "leaving", lambda products: set())
        of_rasters.run("b")
    without_columns(of_rasters, tmp_path, "footprint")
    old, other, new = (each["id"] for each in of_rasters.items)
    assert set(table(of_rasters, tmp_path)) == {old, other, new}

    assert of_rasters.run("c")["outcome"] == "empty"

    assert set(table(of_rasters, tmp_path)) == {other, new}
    assert not of_rasters.plan("d")["document"]["unsettled"]


def test_what_a_run_is_to_commit_for_others_no_other_run_takes(pipeline: Pipeline, tmp_path: Any) -> None:
    pipeline.items = [counted("0", properties=OLD)]
    aborted = pipeline.plan("a")
    pipeline.work(aborted, is_reconciled=False)
    pipeline.abort(aborted)
    adopting = pipeline.plan("b")
    pipeline.items.append(counted("1", properties=NEW))
    old, new = (each["id"] for each in pipeline.items)

    meanwhile = pipeline.run("c")
    assert pipeline.decisions(meanwhile)[new] == ("skip", f"run {adopting['run_id']} is working on it")
    assert meanwhile["outcome"] == "empty"
    pipeline.close(adopting)

    assert (adopting["planned"], table(pipeline, tmp_path)) == (0, [old])
    pipeline.run("d")
    assert table(pipeline, tmp_path) == linked(pipeline) == [new]


def test_a_run_that_dies_hands_on_the_recipe_of_what_it_was_to_commit(pipeline: Pipeline) -> None:
    pipeline.items = [item(2)]
    aborted = pipeline.plan("a")
    pipeline.work(aborted, is_reconciled=False)
    pipeline.abort(aborted)
    for n in (4, 5):  # each takes something, too
        pipeline.items.append(item(n))
        pipeline.abort(pipeline.plan(f"aborted-{n}"))
    pipeline.definition["processing"]["arguments"] = {"indices": ["EVI"]}

    assert pipeline.decisions(pipeline.plan("d"))[scene_id(2)] == (
        "recompute",
        "the recipe changed since its product was made: another arguments",
    )


@pytest.mark.parametrize("is_reconciled", [True, False])
def test_a_product_that_was_made_anew_since_it_was_to_be_committed_is_left_to_who_made_it(
    pipeline: Pipeline, tmp_path: Any, is_reconciled: bool
) -> None:
    pipeline.items = [counted("0", properties=OLD)]
    aborted = pipeline.plan("a")
    pipeline.work(aborted, is_reconciled=is_reconciled)
    pipeline.abort(aborted)
    adopting = pipeline.plan("b")
    pipeline._produce(pipeline.items[0] | {"bbox": [0, 0, 1, 1]})

    pipeline.close(adopting)

    assert not pipeline.outputs.exists("ndvi/items.parquet")
    assert pipeline.run("c")["outcome"] == "empty"
    assert table(pipeline, tmp_path) == [pipeline.items[0]["id"]]


CLOUDLESS = {"eo:cloud_cover": {"lt": 60}}


def clouded(counter: str, cover: float, **properties: Any) -> dict[str, Any]:
    return counted(counter, properties={"eo:cloud_cover": cover, **properties})


@pytest.fixture
def cloudless(pipeline: Pipeline) -> Pipeline:
    """A STAC API's scenes below 60 % of clouds."""
    pipeline.definition = definition(stac=stac_source("https://example.com", query=CLOUDLESS))
    pipeline.sources = {"search_stac_api": lambda *_, **__: iter(pipeline.items)}
    return pipeline


def test_an_acquisition_is_judged_by_its_newest_version(cloudless: Pipeline) -> None:
    cloudless.items = [clouded("0", 59, **OLD), clouded("1", 61, **NEW)]
    old, new = (each["id"] for each in cloudless.items)

    planned = cloudless.run("a")

    assert planned["outcome"] == "empty"
    assert cloudless.decisions(planned) == {
        new: ("rejected", "its eo:cloud_cover is 61 (the query asks for below 60)"),
        old: ("rejected", f"superseded by {new}, of processing baseline 05.11 (this one's is 05.10)"),
    }


def test_one_id_that_is_listed_in_two_versions_is_judged_by_the_newest(cloudless: Pipeline) -> None:
    cloudless.items = [clouded("0", 61, **OLD), clouded("0", 59, **NEW)]
    assert cloudless.plan("a")["planned"] == 1

    cloudless.items = [clouded("0", 59, **OLD), clouded("0", 61, **NEW)]
    again = cloudless.plan("b")
    reasons = [each["reason"] for each in again["document"]["decisions"]]
    assert reasons == [
        "the catalogue listed it more than once; the one of processing baseline 05.11 is taken (this one's is 05.10)",
        "its eo:cloud_cover is 61 (the query asks for below 60)",
    ]


@pytest.mark.parametrize("counter", ["0", "1"])
def test_what_is_in_the_catalogue_is_kept_up_to_date_whatever_the_threshold_says_of_the_newer_version(
    cloudless: Pipeline, tmp_path: Any, counter: str
) -> None:
    cloudless.items = [clouded("0", 59, **OLD)]
    cloudless.run("a")
    cloudless.items = [clouded(counter, 61, **NEW)]

    assert cloudless.run("b")["produced"] == 1

    assert table(cloudless, tmp_path, MADE_FROM) == [(cloudless.items[0]["id"], "05.11")]
    assert cloudless.run("c")["outcome"] == "empty"
    assert table(cloudless, tmp_path) == linked(cloudless) == [cloudless.items[0]["id"]]


def test_a_version_without_any_data_takes_nothings_place(cloudless: Pipeline, tmp_path: Any) -> None:
    cloudless.items = [clouded("0", 59, **OLD), clouded("1", 0, **NEW, **{"s2:nodata_pixel_percentage": 100})]

    cloudless.run("a")

    assert table(cloudless, tmp_path) == [cloudless.items[0]["id"]]


def test_the_other_part_of_a_split_tile_is_judged_by_itself(cloudless: Pipeline, tmp_path: Any) -> None:
    cloudless.items = [left("0", **OLD, **{"eo:cloud_cover": 10}), right("1", **OLD, **{"eo:cloud_cover": 61})]

    cloudless.run("a")

    assert table(cloudless, tmp_path) == [cloudless.items[0]["id"]]
