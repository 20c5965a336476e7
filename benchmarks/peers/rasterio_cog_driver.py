"""rasterio and numpy on threads, block by block, then GDAL's COG driver: int16 × 0.0001, deflate, overviews.

What one writes by hand when one knows rasterio well. Usage: rasterio_cog_driver.py ITEM OUTPUT
"""

import json
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import rasterio
import rasterio.shutil

if __name__ == "__main__":
    assets = json.loads(Path(sys.argv[1]).read_text())["assets"]
    draft = f"{sys.argv[2]}.draft.tif"
    opened = threading.local()

    def read(key, window):
        if not hasattr(opened, key):
            setattr(opened, key, rasterio.open(assets[key]["href"]))
        return getattr(opened, key).read(1, window=window).astype(np.float32)

    def ndvi(window):
        red, nir = read("red", window), read("nir", window)
        with np.errstate(invalid="ignore", divide="ignore"):
            values = np.rint((nir - red) / (nir + red) * 10_000)
        return np.where((red > 0) & (nir > 0), values, -32768).astype(np.int16)

    with rasterio.open(assets["red"]["href"]) as source:
        windows = [window for _, window in source.block_windows(1)]
        profile = {
            "driver": "GTiff", "width": source.width, "height": source.height, "count": 1, "dtype": "int16",
            "crs": source.crs, "transform": source.transform, "nodata": -32768,
            "tiled": True, "blockxsize": 1024, "blockysize": 1024,
        }  # fmt: skip
    with rasterio.open(draft, "w", **profile) as target, ThreadPoolExecutor() as pool:
        target.scales = [0.0001]
        for window, values in zip(windows, pool.map(ndvi, windows), strict=True):
            target.write(values, 1, window=window)
    rasterio.shutil.copy(
        draft, sys.argv[2], driver="COG", compress="deflate", predictor="standard", blocksize=1024,
        overview_resampling="average", num_threads="all_cpus",
    )  # fmt: skip
    Path(draft).unlink()
