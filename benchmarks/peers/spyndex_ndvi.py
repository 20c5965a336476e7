"""spyndex's own `computeIndex` on arrays read by rioxarray, written as a GeoTIFF.

Usage: spyndex_ndvi.py ITEM OUTPUT
"""

import json
import sys
from pathlib import Path

import rioxarray
import spyndex

if __name__ == "__main__":
    assets = json.loads(Path(sys.argv[1]).read_text())["assets"]
    red = rioxarray.open_rasterio(assets["red"]["href"], masked=True)
    nir = rioxarray.open_rasterio(assets["nir"]["href"], masked=True)
    ndvi = spyndex.computeIndex("NDVI", params={"N": nir, "R": red})
    ndvi.rio.to_raster(sys.argv[2])
