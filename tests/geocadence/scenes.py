"""Scenes, definitions and products as the tests need them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from geocadence.bucket import Bucket
from geocadence.layout import product_item
from geocadence.plan.planning import Sources

COLLECTION = "sentinel-2-c1-l2a"
STARTED = datetime(2026, 11, 22, 6, tzinfo=UTC)
ARN = "arn:aws:states:us-west-2:123456789012:execution:geocadence-dev-ndvi:x"
FIRST = datetime(2026, 11, 1, 11, 21, 19, tzinfo=UTC)
AREA = {"type": "Polygon", "coordinates": [[[-8.2, 37.9], [-7.6, 37.9], [-7.6, 38.4], [-8.2, 38.4], [-8.2, 37.9]]]}


def scene_id(n: int) -> str:
    return f"S2B_T29SNB_{FIRST + timedelta(days=n):%Y%m%dT%H%M%S}_L2A"


def item(n: int, **changes: Any) -> dict[str, Any]:
    """The scene of day `n`, over the area."""
    west = -8.0 + 0.01 * n
    ring = [[west, 38.0], [west + 0.3, 38.0], [west + 0.3, 38.2], [west, 38.2], [west, 38.0]]
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "stac_extensions": [],
        "id": scene_id(n),
        "collection": COLLECTION,
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "bbox": [west, 38.0, west + 0.3, 38.2],
        "properties": {
            "datetime": f"{FIRST + timedelta(days=n):%Y-%m-%dT%H:%M:%SZ}",
            "platform": "sentinel-2b",
            "eo:cloud_cover": 5.0 * n,
        },
        "links": [],
        "assets": {"red": {"href": f"https://example.com/{scene_id(n)}/B04.tif", "type": "image/tiff"}},
    } | changes


def counted(counter: str, **changes: Any) -> dict[str, Any]:
    """The scene of day 2 as Earth Search counts them."""
    properties = item(2)["properties"] | changes.pop("properties", {})
    return item(2, id=f"S2B_29SNB_20261103_{counter}_L2A", properties=properties, **changes)


def part(counter: str, west: float, east: float, **properties: Any) -> dict[str, Any]:
    """The same of a tile that is split: its part between two longitudes."""
    ring = [[west, 38.0], [east, 38.0], [east, 39.0], [west, 39.0], [west, 38.0]]
    return counted(counter, geometry={"type": "Polygon", "coordinates": [ring]}, properties=properties)


def far_away() -> dict[str, Any]:
    ring = [[20, 60], [21, 60], [21, 61], [20, 60]]
    return item(3, id="S2B_FAR_AWAY", geometry={"type": "Polygon", "coordinates": [ring]}, bbox=[20, 60, 21, 61])


def definition(**source: Any) -> dict[str, Any]:
    """A resolved definition; `source` replaces the STAC API's."""
    everything: dict[str, Any] = {"stac": None, "items": None, "prefix": None, "manifest": None}
    return {
        "name": "ndvi",
        "description": "NDVI of the tests",
        "stages": None,
        "source": everything | source,
        "processing": {
            "script": "spectral_index",
            "arguments": {"indices": ["NDVI"]},
            "image": "sagemaker-geospatial",
            "instance_type": "ml.m5.4xlarge",
            "instance_preferences": None,
            "instance_count": 3,
            "distribution": "ShardedByS3Key",
            "most_instances": 100,
        },
        "limits": {"max_scenes_per_run": 100, "scenes_per_job": 5, "concurrent_jobs": 2, "max_cost_usd": None},
    }


def stac_source(api: str, **changes: Any) -> dict[str, Any]:
    return {
        "api": api,
        "collection": COLLECTION,
        "area": "areas/test.geojson",
        "geometry": AREA,
        "lookback": "P30D",
        "query": {},
    } | changes


def items_source(items: list[dict[str, Any]]) -> dict[str, Any]:
    return {"href": "items.json", "collection": {"type": "FeatureCollection", "features": items}}


LEGEND = {"index": "NDVI", "minimum": 0.0, "maximum": 0.9, "colours": ["#f5f0e6", "#8b9c4a", "#23432f"]}


def commit_product(
    outputs: Bucket, n: int, *, pipeline: str = "ndvi", mean: float = 0.5, without: str = "", legend: Any = LEGEND
) -> str:
    """Write the product of scene `n` as a processing job would, Item last; `without` leaves a file out."""
    scene, instant = scene_id(n), FIRST + timedelta(days=n)
    key = product_item(pipeline, scene, instant)
    folder = key.rpartition("/")[0]
    for name in (f"{scene}_ndvi.tif", f"{scene}_preview.png"):
        if not (without and name.endswith(without)):
            outputs.write(f"{folder}/{name}", b"pixels", content_type="application/octet-stream")
    source = item(n)
    outputs.write_json(
        key,
        source
        | {
            "stac_version": "1.1.0",
            "collection": pipeline,
            "links": [{"rel": "collection", "href": "../../../collection.json", "type": "application/json"}],
            "assets": {
                "ndvi": {
                    "href": f"./{scene}_ndvi.tif",
                    "type": "image/tiff; application=geotiff; profile=cloud-optimized",
                    "title": "Normalized Difference Vegetation Index",
                    "roles": ["data"],
                    "bands": [{"name": "NDVI", "statistics": {"mean": mean, "valid_percent": 87.5}}],
                },
                "preview": {
                    "href": f"./{scene}_preview.png",
                    "type": "image/png",
                    "roles": ["thumbnail"],
                    "geocadence:legend": legend,
                },
            },
        },
    )
    return scene


def sources_in(bucket: Bucket, *, region: str | None = "us-west-2", **changes: Any) -> Sources:
    """Where a plan finds its input: in `bucket` alone."""
    given = {
        "read_s3": lambda uri: bucket.read(bucket.key(uri) or ""),
        "fetch_s3": lambda uri, path, most: bucket.fetch(bucket.key(uri) or "", path, at_most=most) is not None,
        "list_s3": lambda uri: bucket.listing(bucket.key(uri) or ""),
        "look_s3": lambda uris: {
            bucket.uri(key): seen for key, seen in bucket.look_at_many(bucket.key(uri) or uri for uri in uris).items()
        },
        "region_of_bucket": lambda name: bucket.region(),
        "region": region,
        "is_at_work": lambda arn: False,
    }
    return Sources(**given | changes)


def batch_objects(inputs: Bucket) -> list[str]:
    """The keys of what the jobs get, from the batches' folder."""
    return [found.key.partition("/batches/")[2] for found in inputs.listing("ndvi/runs/") if "/batches/" in found.key]


def verdicts(result: dict[str, Any]) -> dict[str, str]:
    """What was decided on each scene."""
    return {d["id"]: d["decision"] for d in result["document"]["decisions"]}


def job(**changes: Any) -> dict[str, Any]:
    """A job that completed, as the close reads it."""
    return {
        "name": "ndvi-012345-0123456789ab-0-0-0",
        "batch": 0,
        "status": "Completed",
        "failure_reason": "",
        "exit_message": "",
        "created": "2026-11-22T06:01:00Z",
        "started": "2026-11-22T06:04:00Z",
        "ended": "2026-11-22T06:20:00Z",
        "seconds": 960.0,
        "instance_type": "ml.m5.4xlarge",
        "instance_count": 3,
        "max_runtime": 14400,
    } | changes
