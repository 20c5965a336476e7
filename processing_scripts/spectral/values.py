"""How an index's values are stored in its file."""

from __future__ import annotations

import numpy as np

SCALE = 1e-4
PACKED_NODATA = -32768
PACKED_LARGEST = 32767
# Not NaN: STAC writes that as the text "nan", which rustac, and with it stac-geoparquet, can't read.
FLOAT_NODATA = -9999.0
# GDAL's masks (3.10) take the four values on either side for nodata too: what is within ten of it moves just beyond.
_STEP = np.spacing(np.float32(-FLOAT_NODATA))
LIKE_FLOAT_NODATA = np.float32(FLOAT_NODATA) - 10 * _STEP, np.float32(FLOAT_NODATA) + 10 * _STEP
BESIDE_FLOAT_NODATA = np.float32(FLOAT_NODATA) + 11 * _STEP
