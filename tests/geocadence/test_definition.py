"""Good definitions: what they resolve to, and the schema that editors read."""

# ruff: noqa: E501 - tables of expressions

from __future__ import annotations

import json
from pathlib import Path

import botocore.session
import jsonschema
import pytest
from pydantic import TypeAdapter, ValidationError
from ruamel.yaml import YAML

from geocadence.definition import definition_schema, load_pipeline, load_pipelines, render_arguments
from geocadence.definition.area import one_geometry
from geocadence.definition.cron import cron_problem
from geocadence.definition.images import GEOSPATIAL_URI
from geocadence.definition.values import InstanceType

ROOT = Path(__file__).resolve().parents[2]
RING = [[-8, 38], [-7, 38], [-7, 39], [-8, 38]]


def moved(degrees: float) -> list[list[float]]:
    """The ring, so much further east."""
    return [[x + degrees, y] for x, y in RING]


def write(folder: Path, source: str, extra: str = "") -> Path:
    (folder / "script.py").touch()
    path = folder / "p.yaml"
    path.write_text(f"name: p\nsource:\n  {source}\nprocessing: {{script: script.py}}\n{extra}")
    return path


def test_the_area_is_inlined_beside_its_name(tmp_path: Path) -> None:
    (tmp_path / "area.geojson").write_text(json.dumps({"type": "Polygon", "coordinates": [RING]}))
    path = write(tmp_path, "stac: {api: https://example.com, collection: c, area: area.geojson}")

    stac = load_pipeline(path).resolved()["source"]["stac"]

    assert stac["area"] == "area.geojson"
    assert stac["geometry"] == {"type": "Polygon", "coordinates": [RING]}
    assert stac["lookback"] == "P14D"


def test_items_have_an_area_a_query_a_filter_and_a_lookback_where_they_want_one(tmp_path: Path) -> None:
    (tmp_path / "area.geojson").write_text(json.dumps({"type": "Polygon", "coordinates": [RING]}))
    plain = load_pipeline(write(tmp_path, "items: {href: s3://bucket/items.parquet}")).resolved()["source"]["items"]
    chosen = load_pipeline(
        write(
            tmp_path,
            "items: {href: s3://bucket/items.parquet, area: area.geojson, lookback: P7D, "
            "query: {eo:cloud_cover: {lt: 60}}, filter: 'gsd < 20'}",
        )
    ).resolved()["source"]["items"]

    assert plain == {
        "href": "s3://bucket/items.parquet",
        "area": None,
        "lookback": None,
        "query": {},
        "filter": None,
    }
    assert chosen["geometry"] == {"type": "Polygon", "coordinates": [RING]}
    assert (chosen["lookback"], chosen["query"], chosen["filter"]) == (
        "P7D",
        {"eo:cloud_cover": {"lt": 60}},
        "gsd < 20",
    )


def test_a_local_item_collection_is_inlined(tmp_path: Path) -> None:
    (tmp_path / "items.json").write_text('{"type": "FeatureCollection", "features": [{"id": "a"}]}')

    resolved = load_pipeline(write(tmp_path, "items: {href: items.json}")).resolved()

    assert resolved["source"]["items"]["collection"]["features"] == [{"id": "a"}]


def test_the_resolved_definition_is_json(tmp_path: Path) -> None:
    path = write(tmp_path, "prefix: {uri: s3://bucket/images/}", "schedule: {rate: P7D}\n")

    resolved = load_pipeline(path).resolved()

    assert json.loads(json.dumps(resolved)) == resolved
    assert resolved["schedule"]["rate"] == "P7D"


@pytest.mark.parametrize(
    ("script", "distribution", "most"),
    [
        ("spectral_index", "FullyReplicated", 1),
        ("processing_scripts/spectral_index.py", "FullyReplicated", 1),
        ("spectral_index", "ShardedByS3Key", 100),
        ("script.py", "FullyReplicated", 100),
    ],
)
def test_a_run_may_not_raise_the_instances_where_each_would_make_every_product(
    tmp_path: Path, script: str, distribution: str, most: int
) -> None:
    path = write(tmp_path, "prefix: {uri: s3://bucket/scenes/}")
    processing = f"{{script: {script}, distribution: {distribution}, arguments: {{indices: [NDVI]}}}}"
    path.write_text(path.read_text().replace("{script: script.py}", processing))

    assert load_pipeline(path).resolved()["processing"]["most_instances"] == most


@pytest.mark.parametrize(
    ("processing", "products", "upload"),
    [
        ("", "items", "Continuous"),
        (", scene_format: stac-item, upload: EndOfJob", "items", "EndOfJob"),
        (", scene_format: search-result", "files", "EndOfJob"),
        (", products: files", "files", "EndOfJob"),
        (", scene_format: search-result, products: items", "items", "Continuous"),
    ],
)
def test_scripts_of_search_results_leave_files_which_are_uploaded_at_the_end_unless_it_is_said_otherwise(
    tmp_path: Path, processing: str, products: str, upload: str
) -> None:
    path = write(tmp_path, "items: {href: s3://bucket/scenes.json}")
    path.write_text(path.read_text().replace("script: script.py", f"script: script.py{processing}"))

    definition = load_pipeline(path)

    assert definition.resolved()["processing"]["products"] == products
    assert definition.pipeline.processing.upload_mode == upload


def test_a_run_may_not_raise_the_instances_of_products_of_files_that_each_would_make(tmp_path: Path) -> None:
    path = write(tmp_path, "items: {href: s3://bucket/scenes.json}")
    given = "script: script.py, products: files, distribution: FullyReplicated"
    path.write_text(path.read_text().replace("script: script.py", given))

    assert load_pipeline(path).resolved()["processing"]["most_instances"] == 1


def cautions_of(folder: Path, processing: str) -> list[str]:
    path = write(folder, "prefix: {uri: s3://bucket/scenes/}")
    path.write_text(path.read_text().replace("{script: script.py}", f"{{{processing}}}"))
    return [str(caution).removeprefix(f"{path}:") for caution in load_pipeline(path).cautions]


@pytest.mark.parametrize(
    ("given", "is_told"),
    [
        ("script: script.py, instance_count: 3, distribution: FullyReplicated", True),
        ("script: script.py, distribution: FullyReplicated", False),
        ("script: script.py, instance_count: 3", False),
        ("script: by_rank, entry: go.py, instance_count: 3, distribution: FullyReplicated", False),
    ],
)
def test_instances_that_would_write_each_others_files_are_told_of_unless_the_script_looks_at_its_rank(
    tmp_path: Path, given: str, is_told: bool
) -> None:
    (tmp_path / "by_rank").mkdir()
    (tmp_path / "by_rank/go.py").write_text("import ranks")
    (tmp_path / "by_rank/ranks.py").write_text("HOSTS = open('/opt/ml/config/resourceconfig.json')")

    told = cautions_of(tmp_path, given)

    assert len(told) == is_told
    if is_told:
        assert told[0].startswith(
            "4: processing.distribution: FullyReplicated gives each of 3 instances all of the input"
        )
        assert "share by current_host and hosts there; or take ShardedByS3Key" in told[0]


@pytest.mark.parametrize(
    ("image", "is_told"),
    [("sagemaker-geospatial", False), (GEOSPATIAL_URI, False), (":2.1", False), (":latest", True)],
)
def test_an_image_that_may_be_another_tomorrow_is_told_of_where_it_is_not_aws_own(
    tmp_path: Path, image: str, is_told: bool
) -> None:
    full = f"123456789012.dkr.ecr.us-west-2.amazonaws.com/maps{image}" if image.startswith(":") else image
    told = cautions_of(tmp_path, f"script: script.py, image: '{full}'")
    assert told == (
        [f"4: processing.image: {full} may be another image tomorrow (name its digest, @sha256:…)"] * is_told
    )


@pytest.mark.parametrize(
    ("uri", "is_told"),
    [
        ("s3://bucket/scenes/ndvi", True),
        ("s3://bucket/scenes", True),
        ("s3://bucket/scenes-ndvi/", False),
        ("s3://other/scenes/ndvi", False),
    ],
)
def test_an_output_that_the_next_run_would_take_for_its_input_is_told_of(
    tmp_path: Path, uri: str, is_told: bool
) -> None:
    told = cautions_of(tmp_path, f"script: script.py, outputs: {{maps: {{uri: '{uri}'}}}}")
    expected = f"4: processing.outputs.maps.uri: {uri} lies below the source, s3://bucket/scenes/: the next run takes "
    assert [each[: len(expected)] for each in told] == [expected] * is_told


def test_paths_lead_from_the_definition_first_and_from_the_project_then(tmp_path: Path) -> None:
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "mine.py").touch()
    path = tmp_path / "pipelines/p.yaml"
    path.write_text("name: p\nsource: {prefix: {uri: s3://bucket/}}\nprocessing: {script: mine.py}\n")

    assert load_pipeline(path, root=tmp_path).script_path == tmp_path / "mine.py"
    (tmp_path / "pipelines/mine.py").touch()
    assert load_pipeline(path, root=tmp_path).script_path == tmp_path / "pipelines/mine.py"


@pytest.mark.parametrize(
    ("geojson", "geometry"),
    [
        ({"type": "Point", "coordinates": [1, 2, 300]}, {"type": "Point", "coordinates": [1, 2]}),
        (
            {"type": "Feature", "geometry": {"type": "MultiPolygon", "coordinates": [[RING]]}},
            {"type": "Polygon", "coordinates": [RING]},
        ),
        (
            {
                "type": "FeatureCollection",
                "features": [
                    {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [RING]}},
                    {"type": "Feature", "geometry": None},
                    {
                        "type": "Feature",
                        "geometry": {"type": "MultiPolygon", "coordinates": [[moved(10)], [moved(20)]]},
                    },
                ],
            },
            {"type": "MultiPolygon", "coordinates": [[RING], [moved(10)], [moved(20)]]},
        ),
        (
            {
                "type": "GeometryCollection",
                "geometries": [{"type": "Point", "coordinates": [1, 2]}, {"type": "Polygon", "coordinates": [RING]}],
            },
            {
                "type": "GeometryCollection",
                "geometries": [{"type": "Point", "coordinates": [1, 2]}, {"type": "Polygon", "coordinates": [RING]}],
            },
        ),
    ],
)
def test_any_geojson_becomes_one_flat_geometry(geojson: dict, geometry: dict) -> None:
    assert one_geometry(geojson) == geometry


@pytest.mark.parametrize(
    ("arguments", "rendered"),
    [
        ({}, []),
        ({"indices": ["NDVI", "EVI"], "mask": "default"}, ["--indices", "NDVI,EVI", "--mask", "default"]),
        ({"overwrite": True, "quiet": False, "offset": None}, ["--overwrite"]),
        (
            {"scale": 0.5, "tiles": 3, "flags": [True, 1, 0.25]},
            ["--scale", "0.5", "--tiles", "3", "--flags", "true,1,0.25"],
        ),
        ({"since": "2026-01-01", "empty": ""}, ["--since", "2026-01-01", "--empty", ""]),
        ({"minCloud": 0.5, "bbox.crs": "EPSG:4326"}, ["--minCloud", "0.5", "--bbox.crs", "EPSG:4326"]),
        # A list is the command line: positional ones, short ones, some twice, some of several values.
        (
            ["areas.geojson", "2026-01-01", -7, "-v", "--band", "B04", "--band", "B08", "--bbox", 1, 2.5, ""],
            ["areas.geojson", "2026-01-01", "-7", "-v", "--band", "B04", "--band", "B08", "--bbox", "1", "2.5", ""],
        ),
    ],
)
def test_arguments_become_a_command_line(arguments: dict | list, rendered: list[str]) -> None:
    assert render_arguments(arguments) == rendered


def test_dates_in_arguments_stay_as_they_are_written(tmp_path: Path) -> None:
    path = write(tmp_path, "prefix: {uri: s3://bucket/}")
    path.write_text(path.read_text().replace("script.py}", "script.py, arguments: {since: 2026-01-01}}"))

    assert load_pipeline(path).pipeline.processing.arguments == {"since": "2026-01-01"}


def test_words_of_a_command_line_stay_as_they_are_written(tmp_path: Path) -> None:
    words = ["007", "1.10", "1e5", "0x1F", "1_000", "+5", "-0", ".inf", "12:30", "2026-01-01"]
    path = write(tmp_path, "prefix: {uri: s3://bucket/objects/}")
    plain = path.read_text()
    path.write_text(plain.replace("script.py}", f"script.py, arguments: [{', '.join(words)}]}}"))
    processing = load_pipeline(path).pipeline.processing
    assert render_arguments(processing.arguments) == words
    # As in the mapping, where a number is a number.
    path.write_text(plain.replace("script.py}", "script.py, arguments: {scale: 1.10}}"))
    assert load_pipeline(path).pipeline.processing.arguments == {"scale": 1.1}


# Examples of https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html#cron-based and
# https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html
@pytest.mark.parametrize(
    "expression",
    [
        "0 10 * * ? *",
        "15 12 * * ? *",
        "0 18 ? * MON-FRI *",
        "0 8 1 * ? *",
        "0/15 * * * ? *",
        "0/10 * ? * MON-FRI *",
        "0/5 8-17 ? * MON-FRI *",
        "15 10 ? * 6L 2022-2023",
        "0 9 ? * 2#1 *",
        "0 0 L * ? *",
        "0 0 LW * ? *",
        "0 0 3W * ? *",
        "30 6 ? JAN,JUL FRI-MON 2026/2",
    ],
)
def test_awss_own_cron_expressions_pass(expression: str) -> None:
    assert cron_problem(expression) is None


@pytest.mark.parametrize(
    "expression",
    ["", "* * * * * *", "0 24 * * ? *", "0 6 ? * 8 *", "0 6 ? * MON 1969", "0 6 ? * MON#6 *", "0 6 32 * ? *", "0 6 0W * ? *",
     "5-3 6 * * ? *", "*/0 6 * * ? *", "0 6 * 13 ? *", "? 6 * * ? *", "0 6 ? * ? *", "0 6 ? * MON, *", "@daily", "0 6 ? * LUN *"],
)  # fmt: skip
def test_what_the_scheduler_would_refuse_is_refused(expression: str) -> None:
    assert cron_problem(expression) is not None


def test_the_definitions_of_this_project_are_valid_and_match_the_schema() -> None:
    validator = jsonschema.Draft202012Validator(definition_schema())

    for definition in load_pipelines(ROOT / "pipelines"):
        validator.validate(YAML(typ="safe", pure=True).load(definition.path))


def test_the_schema_describes_every_key() -> None:
    schema = definition_schema()
    parts = [schema, *schema["$defs"].values()]
    bare = [
        f"{part.get('title')}.{name}"
        for part in parts
        for name, key in part["properties"].items()
        if not (key.get("description") or "$ref" in key)
    ]

    assert bare == []


@pytest.mark.parametrize(
    "wrong", [{"limit": {}}, {"schedule": {}}, {"source": {}}, {"name": "NDVI"}, {"name": "storage"}]
)
def test_the_schema_refuses_what_an_editor_can_see(wrong: dict) -> None:
    good = {"name": "a", "source": {"prefix": {"uri": "s3://bucket/"}}, "processing": {"script": "s"}}

    jsonschema.validate(good, definition_schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(good | wrong, definition_schema())


def test_every_instance_type_of_processing_jobs_is_one_to_a_definition() -> None:
    types = botocore.session.get_session().get_service_model("sagemaker").shape_for("ProcessingInstanceType").enum
    adapter = TypeAdapter(InstanceType)

    assert len(types) > 100
    assert [adapter.validate_python(each) for each in types] == types
    with pytest.raises(ValidationError, match="is no SageMaker instance type"):
        adapter.validate_python("ml.m5.4xlarg")
