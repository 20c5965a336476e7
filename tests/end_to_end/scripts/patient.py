"""A user's script that knows STAC Items to read and none to write; a scene that goes wrong does not stop it."""

import json
import sys
from pathlib import Path

import rioxarray

INPUT, OUTPUT = Path("/opt/ml/processing/input_data"), Path("/opt/ml/processing/output_data")

for path in sorted(INPUT.glob("*.json")):
    item = json.loads(path.read_text())
    try:
        red, nir = (rioxarray.open_rasterio(item["assets"][band]["href"], masked=True) for band in ("red", "nir"))
        folder = OUTPUT / item["id"]
        folder.mkdir()
        ((nir - red) / (nir + red)).rio.to_raster(folder / "ndvi.tif")
        (OUTPUT / f"{item['id']}.csv").write_text(f"mean\n{float(red.mean())}\n")
    except Exception as error:  # noqa: BLE001 (the next scene has nothing to do with it)
        print(f"{item['id']}: {error}", file=sys.stderr)
