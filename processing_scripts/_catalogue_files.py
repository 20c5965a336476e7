"""Products of files: puts what a script left into the scenes' folders, and a STAC Item beside it.

The launcher starts it when a script that leaves no Items has ended well:

    python _catalogue_files.py --script ndvi.py --digest 5f1c… --input DIR --output DIR

Needs Python ≥ 3.10, numpy and rasterio. Not a script that a definition can name.
"""

import sys

from cataloguing.cli import main

if __name__ == "__main__":
    sys.exit(main())
