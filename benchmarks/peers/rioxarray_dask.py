"""rioxarray with dask: chunks of 2048 computed on threads, a tiled and deflated GeoTIFF written as they come.

Usage: rioxarray_dask.py ITEM OUTPUT
"""

import json
import sys
import threading
from pathlib import Path

import rioxarray

if __name__ == "__main__":
    item = json.loads(Path(sys.argv[1]).read_text())
    red, nir = (
        rioxarray.open_rasterio(item["assets"][key]["href"], masked=True, chunks={"x": 2048, "y": 2048}, lock=False)
        for key in ("red", "nir")
    )
    ndvi = (nir - red) / (nir + red)
    ndvi.rio.to_raster(sys.argv[2], tiled=True, compress="deflate", num_threads="all_cpus", lock=threading.Lock())
