"""A netCDF file for each field and scene in which clouds leave enough of it to see: bands, classes and NDVI.

data_cube.py FIELDS MOST_CLOUDS

FIELDS is the name of a GeoJSON file whose features have an `id`; MOST_CLOUDS the share of a field that may be clouds.
"""

import json
import logging
import sys
from pathlib import Path

import geopandas
import pandas
import rioxarray
import xarray
from rioxarray.exceptions import NoDataInBounds

INPUT = Path("/opt/ml/processing/input")
OUTPUT = Path("/opt/ml/processing/output")
BANDS = ("red", "nir")
CLOUDS = (8, 9, 10)

log = logging.getLogger("data_cube")


def read_scene(assets: dict) -> xarray.Dataset:
    """Bands and classes on the bands' grid."""
    layers = {name: rioxarray.open_rasterio(assets[name]["Href"], masked=True) for name in (*BANDS, "scl")}
    grid = layers[BANDS[0]]
    # Classes come in larger pixels; their codes are names, between which there is nothing.
    layers["scl"] = layers["scl"].interp(
        x=grid["x"], y=grid["y"], method="nearest", kwargs={"fill_value": "extrapolate"}
    )
    return xarray.Dataset({name: layer.squeeze("band", drop=True) for name, layer in layers.items()})


def main(fields_file: str, most_clouds: float) -> None:
    fields = geopandas.read_file(INPUT / "objects" / fields_file)
    results = [result for path in sorted((INPUT / "scenes").rglob("*.json")) for result in json.loads(path.read_text())]
    log.info("%d fields, %d scenes", len(fields), len(results))

    for result in results:
        scene = read_scene(result["Assets"])
        for field in fields.to_crs(scene.rio.crs).itertuples():
            try:
                cube = scene.rio.clip([field.geometry])
            except NoDataInBounds:
                log.info("%s: not in %s", field.id, result["Id"])
                continue
            is_cloud = cube.scl.isin(CLOUDS)
            clouds = float(is_cloud.sum() / cube.scl.notnull().sum())
            if clouds > most_clouds:
                log.info("%s: %.0f %% clouds in %s", field.id, 100 * clouds, result["Id"])
                continue
            cube["ndvi"] = ((cube.nir - cube.red) / (cube.nir + cube.red)).where(~is_cloud)
            cube = cube.assign_coords(time=pandas.to_datetime(result["DateTime"]).tz_localize(None))
            cube.to_netcdf(OUTPUT / f"{field.id}-{result['Id']}.nc")


if __name__ == "__main__":
    logging.basicConfig(stream=sys.stdout, level=logging.INFO)
    main(sys.argv[1], float(sys.argv[2]))
