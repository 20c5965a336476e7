"""What rasterio raises where GDAL fails, in each version that a container may have."""

from __future__ import annotations

from rasterio.errors import RasterioError, RasterioIOError

# Of rasterio 1.3 the second, which is what opening and reading raise, is an OSError and no RasterioError.
GDAL_ERRORS = (RasterioError, RasterioIOError)
