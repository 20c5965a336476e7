"""Around a run's functions: S3 and what the jobs would leave there. `python -m benchmarks.scale.world PORT LATENCY`.

Beside S3's requests it takes POST `/jobs` with `{"inputs", "outputs", "plan", "batches"}`: every scene of those batches
gets a product, as jobs would make it, and every batch what ReconcileBatch leaves, by its own code but without HTTP. And
POST `/copies`: by name, a bucket that becomes another's copy as it is now.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from benchmarks.scale.store import Client, Store, serve
from geocadence.bucket import Bucket
from geocadence.close.batch import reconcile_batch, write_result
from geocadence.instants import parse_instant
from geocadence.layout import RunLayout, product_item
from geocadence.long_json import compact
from geocadence.plan.slices import read_slice


def product_of(item: dict[str, Any], pipeline: str) -> dict[str, Any]:
    """An Item as wide as one of spectral_index with one index."""
    scene = item["id"]
    digits = "".join(character for character in scene if character.isdigit()) or "0"
    mean = int(digits[-6:]) % 997 / 1000
    statistics = {"minimum": -0.2, "maximum": 0.98, "mean": mean, "stddev": 0.18, "valid_percent": 93.5}
    band = {"name": "NDVI", "description": "Normalized Difference Vegetation Index", "statistics": statistics}
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": [
            f"https://stac-extensions.github.io/{name}/schema.json"
            for name in ("projection/v2.0.0", "raster/v2.0.0", "processing/v1.2.0", "file/v2.1.0", "eo/v2.0.0")
        ],
        "id": scene,
        "collection": pipeline,
        "geometry": item["geometry"],
        "bbox": item["bbox"],
        "properties": {
            "datetime": item["properties"]["datetime"],
            "created": "2026-11-26T10:00:00Z",
            "platform": "sentinel-2b",
            "constellation": "sentinel-2",
            "instruments": ["msi"],
            "gsd": 10,
            "eo:cloud_cover": mean * 100,
            "proj:code": "EPSG:32629",
            "proj:shape": [10980, 10980],
            "proj:transform": [10, 0, 499980, 0, -10, 4300020],
            "processing:level": "L3",
            "processing:software": {"spectral_index": "0.1.0", "rasterio": "1.4.3", "numpy": "2.2.6"},
            "processing:lineage": f"Made by spectral_index from {scene}: offset by raster:bands, SCL 0, 1, 3, 8, 9, 10",
            "geocadence:mask": [0, 1, 3, 8, 9, 10],
            "geocadence:offset": {"source": "raster:bands", "value": -0.1},
        },
        "links": [
            {"rel": "collection", "href": "../../../collection.json", "type": "application/json"},
            {"rel": "derived_from", "href": f"https://example.com/collections/sentinel-2-c1-l2a/items/{scene}"},
        ],
        "assets": {
            "ndvi": {
                "href": f"./{scene}_ndvi.tif",
                "type": "image/tiff; application=geotiff; profile=cloud-optimized",
                "title": "Normalized Difference Vegetation Index",
                "roles": ["data"],
                "data_type": "int16",
                "nodata": -32768,
                "raster:scale": 0.0001,
                "file:size": 104857600 + int(digits[-5:]),
                "file:checksum": f"1220{int(digits):064x}",
                "bands": [band],
            },
            "preview": {"href": f"./{scene}_preview.png", "type": "image/png", "roles": ["thumbnail", "overview"]},
        },
    }


def work(store: Store, asked: dict[str, Any]) -> None:
    client = Client(store)
    inputs, outputs = Bucket(client, asked["inputs"]), Bucket(client, asked["outputs"])
    layout = RunLayout.of_plan(asked["plan"])
    for batch in asked["batches"]:
        for scene in read_slice(inputs, layout, batch).scenes():
            item = scene["item"]
            key = product_item(layout.pipeline, item["id"], parse_instant(item["properties"]["datetime"]))
            for name in (f"{item['id']}_ndvi.tif", f"{item['id']}_preview.png"):
                store.put(f"{outputs.name}/{key.rpartition('/')[0]}/{name}", b"pixels")
            store.put(f"{outputs.name}/{key}", compact(product_of(item, layout.pipeline)).encode())
        write_result(inputs, layout, batch, reconcile_batch(inputs, outputs, layout, batch, region="us-west-2"))


def main() -> None:
    port, latency = int(sys.argv[1]), float(sys.argv[2])
    store = Store()
    server = serve(store, port=port, latency=latency)

    def do_POST(handler: Any) -> None:
        asked = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
        if handler.path == "/copies":
            for bucket, copied in asked.items():
                store.copy(f"{copied}/", f"{bucket}/")
        else:
            work(store, asked)
        handler._send(200, b"{}")

    server.RequestHandlerClass.do_POST = do_POST
    server.serve_forever()


if __name__ == "__main__":
    main()
