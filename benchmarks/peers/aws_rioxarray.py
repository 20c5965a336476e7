"""AWS's documented way to NDVI in the SageMaker geospatial container: rioxarray, one scene after the other.

An equivalent of the script in "Create a ScriptProcessor instance and use the geospatial container" (SageMaker
developer guide, "Writing a script that can calculate the NDVI"): items of SearchRasterDataCollection in, one GeoTIFF
a scene out; no mask, no offset. Usage: aws_rioxarray.py INPUT OUTPUT [COG]: with COG its output is a Cloud
Optimized GeoTIFF with overviews, deflated on all cores.
"""

import json
import os
import sys

import rioxarray

if __name__ == "__main__":
    input_folder, output_folder, *variant = sys.argv[1:]
    files = [os.path.join(path, name) for path, _, names in os.walk(input_folder) for name in names]  # noqa: PTH118
    items = []
    for file in files:
        if file.endswith(".json"):
            with open(file) as opened:  # noqa: PTH123
                items += json.load(opened)
    options = {"driver": "COG", "compress": "deflate", "num_threads": "all_cpus"} if variant == ["COG"] else {}
    for item in items:
        red = rioxarray.open_rasterio(item["Assets"]["red"]["Href"], masked=True)
        nir = rioxarray.open_rasterio(item["Assets"]["nir"]["Href"], masked=True)
        ndvi = (nir - red) / (nir + red)
        ndvi.rio.to_raster(f"{output_folder}/ndvi_{item['Id']}.tif", **options)
