"""Means over areas, pixels at their rims weighted by the share of them that lies inside."""

import geopandas
import xarray
from exactextract import exact_extract


def means(raster: xarray.DataArray, areas: geopandas.GeoDataFrame, *, column: str) -> geopandas.GeoDataFrame:
    """The areas with `mean` and `count` (in pixels) of `raster` in them, in the raster's CRS."""
    here = areas[[column, "geometry"]].to_crs(raster.rio.crs)
    found = exact_extract(raster, here, ["mean", "count"], include_cols=[column], output="pandas")
    return here.merge(found.rename(columns=lambda name: name.replace("band_1_", "")), on=column)
