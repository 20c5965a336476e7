"""Bare objects as input, `prefix` and `manifest`: counted, held against S3 before a job, handed over as they are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from geocadence.bucket import Bucket, Listed
from geocadence.catalogue.http import CatalogueRefused
from geocadence.execution_input import InvalidInput
from geocadence.plan.sources import sources_in_s3
from tests.geocadence.pipeline import Pipeline
from tests.geocadence.scenes import definition, item, items_source


def test_a_prefix_is_counted_and_handed_over_as_it_is(plan: Any, inputs: Bucket) -> None:
    for name in ("images/", "images/a.tif", "images/b/c.tif"):
        inputs.write(name, b"" if name.endswith("/") else b"x", content_type="image/tiff")

    result = plan(definition(prefix={"uri": inputs.uri("images/")}))

    assert (result["planned"], result["batches"], result["instance_count"]) == (2, 1, 2)
    assert result["input_uri"] == inputs.uri("images/")


@pytest.mark.parametrize("limit", [None, 0.2])
def test_a_dry_run_tells_what_the_run_will_take(plan: Any, inputs: Bucket, limit: float | None) -> None:
    """Of ten instances two have an object each; with ten the limit would be exceeded."""
    for name in ("images/a.tif", "images/b.tif"):
        inputs.write(name, b"x", content_type="image/tiff")
    resolved = definition(prefix={"uri": inputs.uri("images/")})
    resolved["processing"] |= {"instance_count": 10, "hourly_rate": 1.0}
    resolved["limits"]["max_cost_usd"] = limit

    dry, real = (plan(resolved, {"dry_run": is_dry}) for is_dry in (True, False))

    assert (dry["batches"], real["batches"]) == (0, 1)
    for told in ("estimate", "instance_count", "note", "refusal"):
        assert dry["document"][told] == real["document"][told]
    assert (dry["document"]["estimate"]["cost_usd"], dry["document"]["refusal"]) == (0.13, "")


def of_two(kind: str, inputs: Bucket) -> dict[str, Any]:
    """A definition over two objects, or two scenes."""
    for name in ("images/a.tif", "images/b.tif"):
        inputs.write(name, b"x", content_type="image/tiff")
    sources = {"prefix": {"uri": inputs.uri("images/")}, "items": items_source([item(0), item(1)])}
    return definition(**{kind: sources[kind]})


@pytest.mark.parametrize(
    ("distribution", "asked", "is_told"),
    [("FullyReplicated", 2, True), ("FullyReplicated", 1, False), ("ShardedByS3Key", 2, False)],
)
@pytest.mark.parametrize("kind", ["prefix", "items"])
def test_a_plan_says_that_its_instances_get_all_of_the_input(
    plan: Any, inputs: Bucket, kind: str, distribution: str, asked: int, is_told: bool
) -> None:
    resolved = of_two(kind, inputs)
    resolved["processing"]["distribution"] = distribution

    document = plan(resolved, {"instance_count": asked})["document"]

    told = "each of 2 instances gets all of the input (FullyReplicated)"
    assert document["note"].startswith(told) if is_told else document["note"] == ""


@pytest.mark.parametrize(
    ("kind", "distribution", "instances"),
    [
        ("items", "ShardedByS3Key", 2),
        ("items", "FullyReplicated", 2),
        ("prefix", "ShardedByS3Key", 2),
        ("prefix", "FullyReplicated", 5),
    ],
)
def test_no_job_has_more_instances_than_scenes_or_than_objects_that_are_dealt_out(
    plan: Any, inputs: Bucket, kind: str, distribution: str, instances: int
) -> None:
    """Instances that all get each object may share out what is in it."""
    resolved = of_two(kind, inputs)
    resolved["processing"]["distribution"] = distribution

    assert plan(resolved, {"instance_count": 5})["instance_count"] == instances


@pytest.mark.parametrize(
    ("distribution", "gigabytes", "told"),
    [
        ("ShardedByS3Key", (60, 50), "each instance gets about 55 GB of objects, and its disk holds 50 GB: "),
        ("ShardedByS3Key", (60, 40), ""),
        ("FullyReplicated", (30, 21), "; each instance gets about 51 GB of objects, and its disk holds 50 GB: "),
        ("FullyReplicated", (30, 20), "replaces each other"),
    ],
)
def test_a_plan_says_that_its_objects_do_not_fit_on_the_disks(
    plan: Any, inputs: Bucket, distribution: str, gigabytes: tuple[int, ...], told: str
) -> None:
    for n in range(len(gigabytes)):
        inputs.write(f"images/{n}.tif", b"x", content_type="image/tiff")

    def listing(uri: str) -> Iterator[Listed]:
        for found, size in zip(inputs.listing("images/"), gigabytes, strict=True):
            yield replace(found, size=size << 30)

    resolved = definition(prefix={"uri": inputs.uri("images/")})
    resolved["processing"] |= {"distribution": distribution, "volume_size_gb": 50}

    note = plan(resolved, {"instance_count": 2}, list_s3=listing)["document"]["note"]

    assert told in note
    assert ("its disk holds" in note) == ("its disk holds" in told)


def test_every_run_takes_all_objects_whatever_runs_before_it_did(inputs: Bucket, outputs: Bucket) -> None:
    inputs.write("images/a.tif", b"x", content_type="image/tiff")
    pipeline = Pipeline(inputs, outputs, [])
    pipeline.definition["source"] = definition(prefix={"uri": inputs.uri("images/")})["source"]
    first = pipeline.plan("a")
    outputs.write("ndvi/a.tif", b"x", content_type="image/tiff")
    assert pipeline.close(first)["outcome"] == "complete"

    assert (first["planned"], pipeline.plan("b")["planned"]) == (1, 1)
    assert not outputs.exists("ndvi/items.parquet")


def test_an_empty_prefix_means_no_batch(plan: Any, inputs: Bucket) -> None:
    result = plan(definition(prefix={"uri": inputs.uri("nothing/")}))

    assert (result["planned"], result["batches"]) == (0, 0)


def listed(bucket: Bucket, *keys: str) -> dict[str, Any]:
    """A pipeline over a manifest of these keys below `sheets/`."""
    bucket.write_json("manifest.json", [{"prefix": bucket.uri("sheets/")}, *keys])
    return definition(manifest={"uri": bucket.uri("manifest.json")})


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"data_type": "S3Prefix", "uri": "s3://{0}/areas/"}, "s3://{0}/areas/ matches no object"),
        ({"data_type": "ManifestFile", "uri": "s3://{0}/masks.json"}, "s3://{0}/masks.json is not there"),
        ({"data_type": "ManifestFile", "uri": "s3://{0}/lacking.json"}, "s3://{0}/masks/gone.tif (not there)"),
        ({"data_type": "ManifestFile", "uri": "s3://{0}/bare.json"}, "s3://{0}/bare.json names no object"),
        ({"data_type": "ManifestFile", "uri": "s3://{0}/blank.json"}, "s3://{0}/blank.json has no key at position 1"),
    ],
)
def test_a_further_input_that_a_job_would_fail_for_ends_the_run_before_it(
    plan: Any, inputs: Bucket, given: dict[str, str], told: str
) -> None:
    inputs.write("images/a.tif", b"x", content_type="image/tiff")
    inputs.write_json("lacking.json", [{"prefix": inputs.uri("masks/")}, "gone.tif"])
    inputs.write_json("bare.json", [{"prefix": inputs.uri("masks/")}])
    # An object of that name may well be there.
    inputs.write_json("blank.json", [{"prefix": inputs.uri("images/a.tif")}, ""])
    resolved = definition(prefix={"uri": inputs.uri("images/")})
    extra = {key: value.format(inputs.name) for key, value in given.items()}
    resolved["processing"]["inputs"] = {"areas": {"uri": None, "file": "areas.geojson"}, "masks": extra}

    with pytest.raises(InvalidInput) as refusal:
        plan(resolved)
    assert str(refusal.value).startswith("processing.inputs.masks: ")
    assert told.format(inputs.name) in str(refusal.value)

    resolved["source"] = definition(prefix={"uri": inputs.uri("nothing/")})["source"]
    assert plan(resolved)["planned"] == 0, "where no job is to be, none can fail"


def test_a_manifest_is_counted_and_handed_over_as_it_is(plan: Any, inputs: Bucket) -> None:
    for name in ("a.tif", "b.tif"):
        inputs.write(f"sheets/{name}", b"x", content_type="image/tiff")

    result = plan(listed(inputs, "a.tif", "b.tif"))

    assert (result["planned"], result["batches"], result["input_uri"]) == (2, 1, inputs.uri("manifest.json"))


def test_an_empty_manifest_means_no_job(plan: Any, inputs: Bucket) -> None:
    result = plan(listed(inputs))

    assert (result["planned"], result["batches"]) == (0, 0)


def test_the_first_keys_that_a_manifest_names_and_s3_lacks_are_named(plan: Any, inputs: Bucket) -> None:
    inputs.write("sheets/there.tif", b"x", content_type="image/tiff")
    gone = [f"gone-{n}.tif" for n in range(7)]

    with pytest.raises(InvalidInput) as refusal:
        plan(listed(inputs, "there.tif", *gone))

    told = str(refusal.value)
    assert "names 7 of 8 objects that the job could not read: " in told
    assert [f"{inputs.uri(f'sheets/{key}')} (not there)" in told for key in gone] == [True] * 5 + [False] * 2
    assert "and 2 more" in told
    assert "there.tif (" not in told


def test_what_the_role_may_not_read_is_named(plan: Any, inputs: Bucket) -> None:
    uri = inputs.uri("sheets/secret.tif")

    with pytest.raises(InvalidInput, match=r"secret\.tif \(access denied\) .*open them by access\.read"):
        plan(listed(inputs, "secret.tif"), look_s3=lambda uris: dict.fromkeys([uri], "access denied"))


def test_archived_objects_of_a_prefix_end_the_run_before_a_job_unless_they_are_restored(
    plan: Any, inputs: Bucket
) -> None:
    for name in ("a", "b", "c"):
        inputs.write(f"images/{name}.tif", b"x", content_type="image/tiff")
    away = {inputs.uri("images/b.tif"): "archived, not restored", inputs.uri("images/c.tif"): 1}

    def listing(uri: str) -> Iterator[Listed]:
        for found in inputs.listing("images/"):
            yield replace(found, storage_class="GLACIER") if inputs.uri(found.key) in away else found

    def look(uris: Iterable[str]) -> dict[str, int | str]:
        return {uri: away[uri] for uri in uris}

    told = rf"images/ holds 1 of 3 objects that the job could not read: {inputs.uri('images/b.tif')} \(archived, not"
    resolved = definition(prefix={"uri": inputs.uri("images/")})
    with pytest.raises(InvalidInput, match=told):
        plan(resolved, list_s3=listing, look_s3=look)

    away.update(dict.fromkeys(away, 1))
    assert plan(resolved, list_s3=listing, look_s3=look)["planned"] == 3


def test_a_manifest_that_is_archived_itself_is_a_refusal() -> None:
    client = boto3.client("s3", region_name="us-west-2", aws_access_key_id="x", aws_secret_access_key="x")
    sources = sources_in_s3(client, region="us-west-2", is_at_work=lambda arn: False)
    with Stubber(client) as stub:
        why = "The operation is not valid for the object's storage class"
        stub.add_client_error("get_object", "InvalidObjectState", why, http_status_code=403)
        with pytest.raises(CatalogueRefused, match=f"^s3://maps/all.json can't be read: {why}"):
            sources.read_s3("s3://maps/all.json")


def test_objects_of_another_region_are_refused_with_both_regions(plan: Any, inputs: Bucket) -> None:
    resolved = listed(inputs)
    inputs.write_json("manifest.json", [{"prefix": "s3://far/sheets/"}, "a.tif"])
    far = {"region_of_bucket": lambda bucket: "eu-central-1" if bucket == "far" else "us-west-2"}
    with pytest.raises(InvalidInput, match=r"objects in eu-central-1, and the job runs in us-west-2 .*-c region=eu"):
        plan(resolved, **far)


@pytest.mark.parametrize("kind", ["prefix", "manifest"])
def test_a_source_or_a_further_input_of_another_region_is_refused_though_it_can_be_listed(
    plan: Any, inputs: Bucket, kind: str
) -> None:
    lies = r"lies in eu-central-1, and the job runs in us-west-2 .*copy it, or deploy with -c region=eu-central-1"
    with pytest.raises(InvalidInput, match=f"^s3://far/sheets {lies}"):
        plan(definition(**{kind: {"uri": "s3://far/sheets"}}), region_of_bucket=lambda bucket: "eu-central-1")
    resolved = listed(inputs, "a.tif")
    inputs.write("sheets/a.tif", b"x", content_type="image/tiff")
    data_type = {"prefix": "S3Prefix", "manifest": "ManifestFile"}[kind]
    resolved["processing"]["inputs"] = {"areas": {"uri": "s3://far/areas", "data_type": data_type}}
    far = {"region_of_bucket": lambda bucket: "eu-central-1" if bucket == "far" else "us-west-2"}
    with pytest.raises(InvalidInput, match=f"^processing.inputs.areas: s3://far/areas {lies}"):
        plan(resolved, **far)


def test_a_bucket_tells_its_region(inputs: Bucket) -> None:
    assert inputs.region() == "us-west-2"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"{", "is no JSON"),
        (b"{}", 'is no manifest (expected [{"prefix": "s3://bucket/path/"}, "relative/key", …])'),
        (b'["a.tif"]', "does not begin with its prefix"),
        (b'[{"prefix": "s3://b/"}, 3]', "has no key at position 1, but 3"),
        (b'[{"prefix": "s3://b"}, "a.tif"]', "has the prefix s3://b, without a slash behind the bucket"),
        (b'[{"prefix": "s3://b/"}, "s3://c/a.tif"]', "has a whole URI at position 1, s3://c/a.tif"),
        (
            b'[{"prefix": "s3://b/"}, "a.tif", "b.tif", "a.tif"]',
            "has a.tif at position 1 and again at 3 (two instances would work on it: take one of them out)",
        ),
        (None, "is not there"),
    ],
)
def test_a_broken_manifest_is_refused(plan: Any, inputs: Bucket, content: bytes | None, sentence: str) -> None:
    if content is not None:
        inputs.write("broken.json", content, content_type="application/json")

    with pytest.raises(InvalidInput) as refusal:
        plan(definition(manifest={"uri": inputs.uri("broken.json")}))

    assert str(refusal.value).startswith(inputs.uri("broken.json") + " ")
    assert sentence in str(refusal.value)


def test_scenes_of_a_prefix_make_no_sense(plan: Any, inputs: Bucket) -> None:
    with pytest.raises(InvalidInput, match="takes the objects of a prefix, not scenes"):
        plan(definition(prefix={"uri": inputs.uri("images/")}), {"scenes": ["a"]})


def test_what_runs_over_scenes_left_is_remembered_by_runs_over_objects(inputs: Bucket, outputs: Bucket) -> None:
    """A pipeline may take objects for a while: its next run over scenes is told by which recipe a product was made."""
    pipeline = Pipeline(inputs, outputs, [item(0)])
    of_scenes = pipeline.definition["source"]
    first = pipeline.plan("a")
    pipeline.work(first)
    pipeline.abort(first)
    inputs.write("images/a.tif", b"x", content_type="image/tiff")
    pipeline.definition["source"] = definition(prefix={"uri": inputs.uri("images/")})["source"]
    pipeline.abort(pipeline.plan("b"))
    pipeline.definition["source"] = of_scenes

    (decision,) = pipeline.plan("c")["document"]["decisions"]

    assert (decision["decision"], decision["left_by"]) == ("skip", first["run_id"])
