"""The mean of each raster over each area: a table a raster, and a map of the areas with their means."""

import argparse
from pathlib import Path

import geopandas
import rioxarray
from zones import means

PROCESSING = Path("/opt/ml/processing")

if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--column", required=True, help="what the areas are called by")
    column = arguments.parse_args().column

    areas = geopandas.read_file(PROCESSING / "areas" / "areas.geojson")
    rasters = sorted((PROCESSING / "input_data").rglob("*.tif"))
    print(f"{len(areas)} areas, {len(rasters)} rasters")

    for path in rasters:
        with rioxarray.open_rasterio(path, masked=True) as raster:
            found = means(raster, areas, column=column)
        found.drop(columns="geometry").to_csv(PROCESSING / "statistics" / f"{path.stem}.csv", index=False)
        found.to_crs(4326).to_file(PROCESSING / "output_data" / f"{path.stem}.geojson", driver="GeoJSON")
