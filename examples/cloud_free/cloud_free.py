"""The normalized difference of two bands of each scene, without the pixels that its classification calls clouds.

cloud_free.py BAND BAND CLASS [CLASS …]
"""

import json
import sys
from pathlib import Path

import rioxarray

INPUT = Path("/opt/ml/processing/input")
OUTPUT = Path("/opt/ml/processing/output")

if __name__ == "__main__":
    first, second, *clouds = sys.argv[1:]
    scenes = [json.loads(path.read_text()) for path in sorted(INPUT.rglob("*.json"))]
    print(f"{len(scenes)} scenes, {first} and {second}, without classes {', '.join(clouds)}")

    for scene in scenes:
        hrefs = {name: asset["href"] for name, asset in scene["assets"].items()}
        one, other, classes = (rioxarray.open_rasterio(hrefs[name], masked=True) for name in (first, second, "scl"))
        # Classes come in larger pixels; their codes are names, between which there is nothing.
        classes = classes.interp(x=one["x"], y=one["y"], method="nearest", kwargs={"fill_value": "extrapolate"})
        found = ((one - other) / (one + other)).where(~classes.isin([int(code) for code in clouds]))
        found.rio.to_raster(OUTPUT / f"{scene['id']}_{first}_{second}.tif")
