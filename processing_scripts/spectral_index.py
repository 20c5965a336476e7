"""Spectral indices of satellite scenes: STAC Items in, COGs and STAC Items out.

The entry point of a processing job, and a program by itself:

    python spectral_index.py --input DIR --output DIR --indices NDVI,EVI

Needs Python ≥ 3.10, numpy and rasterio; everything else stands in the package `spectral` beside it.
In a zip this file is also the `__main__.py`.
"""

import sys

from spectral.cli import main

if __name__ == "__main__":
    sys.exit(main())
