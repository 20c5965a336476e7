"""odc-stac with odc-geo's `save_cog_with_dask`: a deflated COG with overviews, without GDAL's COG driver.

Usage: odc_stac_cog.py ITEM OUTPUT
"""

import sys

import numpy as np
import odc.stac
import pystac
from odc.geo.cog import save_cog_with_dask

if __name__ == "__main__":
    item = pystac.Item.from_file(sys.argv[1])
    bands = odc.stac.load([item], bands=["red", "nir"], resolution=10, chunks={"x": 2048, "y": 2048}).isel(time=0)
    red, nir = (bands[key].astype("float32").where(bands[key] != 0) for key in ("red", "nir"))
    ndvi = (nir - red) / (nir + red)
    ndvi.attrs["nodata"] = np.nan
    save_cog_with_dask(ndvi, sys.argv[2], compression="deflate", overview_resampling="average").compute()
