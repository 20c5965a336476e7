"""How an index's values are stored in its file."""

from __future__ import annotations

SCALE = 1e-4
PACKED_NODATA = -32768
PACKED_LARGEST = 32767
# Not NaN: STAC writes that as the text "nan", which rustac, and with it stac-geoparquet, can't read.
FLOAT_NODATA = -9999.0
