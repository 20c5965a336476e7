"""stackstac: the Item as a lazy stack of bands, computed by dask, a tiled and deflated GeoTIFF written by rioxarray.

Usage: stackstac_ndvi.py ITEM OUTPUT
"""

import json
import sys
import threading
from pathlib import Path

import numpy as np
import rioxarray  # noqa: F401 (gives arrays their `rio`)
import stackstac

if __name__ == "__main__":
    item = json.loads(Path(sys.argv[1]).read_text())
    stack = stackstac.stack(
        [item], assets=["red", "nir"], resolution=10, epsg=item["properties"]["proj:epsg"], chunksize=2048,
        dtype="float32", fill_value=np.float32("nan"), rescale=False,
        xy_coords="center",  # its default names corners, which rioxarray takes for centres: half a pixel off
    )  # fmt: skip
    red, nir = (stack.isel(time=0).sel(band=key, drop=True) for key in ("red", "nir"))
    ndvi = ((nir - red) / (nir + red)).rio.write_nodata(np.nan)
    ndvi.rio.to_raster(sys.argv[2], tiled=True, compress="deflate", num_threads="all_cpus", lock=threading.Lock())
