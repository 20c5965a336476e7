"""NDVI of every item of search results, in the manner of AWS's guide to the SageMaker geospatial container:
https://docs.aws.amazon.com/sagemaker/latest/dg/geospatial-custom-operations.html

As there, the digital numbers are taken as they are. That is right for reflectance without an offset; for Sentinel-2
since baseline 04.00 it is not, which is what the built-in `spectral_index` looks after.
"""

import json
import os

import rioxarray

INPUT = "/opt/ml/processing/input_data/"
OUTPUT = "/opt/ml/processing/output_data"

if __name__ == "__main__":
    files = []
    for folder, _, names in os.walk(INPUT):
        files += [os.path.join(folder, name) for name in sorted(names) if name.endswith(".json")]
    print(f"Received {len(files)} input files")

    items = []
    for path in files:
        with open(path) as file:
            items += json.load(file)

    for item in items:
        red = rioxarray.open_rasterio(item["Assets"]["red"]["Href"], masked=True)
        nir = rioxarray.open_rasterio(item["Assets"]["nir"]["Href"], masked=True)
        ndvi = (nir - red) / (nir + red)
        path = f"{OUTPUT}/ndvi_{item['Id']}.tif"
        ndvi.rio.to_raster(path)
        print(f"Written output: {path}")
