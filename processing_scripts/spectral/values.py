"""How an index's values are stored in its file."""

from __future__ import annotations

import numpy as np

SCALE = 1e-4
PACKED_NODATA = -32768
PACKED_LARGEST = 32767
# Not NaN: STAC writes that as the text "nan", which rustac, and with it stac-geoparquet, can't read.
FLOAT_NODATA = -9999.0
# A value that happens to be nodata moves by the smallest step there is.
BESIDE_FLOAT_NODATA = np.nextafter(np.float32(FLOAT_NODATA), np.float32(0))
