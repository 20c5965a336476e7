"""Scenes as search results: the service's own shape, with the names by which its users' scripts find bands."""

from __future__ import annotations

from typing import Any

import botocore.session
import pytest

from geocadence.bucket import Bucket
from geocadence.layout import RunLayout
from geocadence.plan.batch_objects import write_batch
from geocadence.plan.scene_format import search_result
from tests.geocadence.pipeline import Pipeline
from tests.geocadence.scenes import item, scene_id

BANDS = {"B04": ("red", 10), "B08": ("nir", 10), "B11": ("swir16", 20)}


def scene(**changes: Any) -> dict[str, Any]:
    """As catalogues have it that name assets by the sensor's bands (STAC 1.0)."""
    assets = {
        key: {"href": f"https://tiles.example/{key}.tif", "gsd": size, "eo:bands": [{"common_name": name}]}
        for key, (name, size) in BANDS.items()
    }
    properties = {
        "datetime": "2026-11-03T11:21:19.024Z",
        "eo:cloud_cover": 12.5,
        "platform": "sentinel-2b",
        "view:sun_azimuth": 160.5,
        "view:off_nadir": None,
    }
    return item(1) | {"assets": assets, "properties": properties} | changes


def hrefs(assets: dict[str, Any]) -> dict[str, str]:
    (found,) = search_result(scene(assets=assets))
    return {key: asset["Href"] for key, asset in found["Assets"].items()}


def test_it_has_the_shape_of_the_services_model() -> None:
    (found,) = search_result(scene())
    model = botocore.session.get_session().get_service_model("sagemaker-geospatial")
    shape = model.operation_model("SearchRasterDataCollection").output_shape.members["Items"].member
    assert set(found) - set(shape.members) == {"geocadence:item"}
    assert set(shape.required_members) <= set(found)
    assert found["Id"] == scene_id(1)
    assert found["DateTime"] == "2026-11-03T11:21:19.024Z"
    assert found["Geometry"] == {"Type": "Polygon", "Coordinates": item(1)["geometry"]["coordinates"]}
    assert set(found["Geometry"]) == set(shape.members["Geometry"].members)
    assert set(found["Assets"]["B04"]) == set(shape.members["Assets"].value.members)
    assert found["Properties"] == {"EoCloudCover": 12.5, "Platform": "sentinel-2b", "ViewSunAzimuth": 160.5}
    assert set(found["Properties"]) < set(shape.members["Properties"].members)


def test_awss_guide_finds_its_bands_where_the_catalogue_calls_them_otherwise() -> None:
    (found,) = search_result(scene())
    assert found["Assets"]["red"] == {"Href": "https://tiles.example/B04.tif"}
    assert found["Assets"]["nir"] == {"Href": "https://tiles.example/B08.tif"}
    assert set(found["Assets"]) == {*BANDS, "red", "nir", "swir16"}


@pytest.mark.parametrize("key", ["nir08", "B05"])
def test_awss_guide_finds_the_one_near_infrared_of_landsat(key: str) -> None:
    """Of Collection 2 the key and the common name of band 5; other catalogues have the name alone."""
    one = {"href": "b5.tif", "eo:bands": [{"name": "OLI_B5", "common_name": "nir08"}]}
    assert hrefs({key: one}) == {key: "b5.tif", "nir08": "b5.tif", "nir": "b5.tif"}
    assert hrefs({key: one, "B08": {"href": "b8.tif", "bands": [{"eo:common_name": "nir"}]}})["nir"] == "b8.tif"
    assert hrefs({key: one, "nir": {"href": "own.tif"}})["nir"] == "own.tif"


@pytest.mark.parametrize(
    "bands", [{"eo:bands": [{"common_name": "red"}]}, {"bands": [{"name": "B04", "eo:common_name": "red"}]}]
)
def test_common_names_of_stac_1_0_and_1_1_are_known(bands: dict[str, Any]) -> None:
    assert hrefs({"B04": {"href": "s3://bucket/B04.tif", **bands}})["red"] == "s3://bucket/B04.tif"


def test_the_catalogues_own_key_is_never_given_away() -> None:
    found = hrefs(
        {"red": {"href": "a.tif", "gsd": 60}, "B04": {"href": "b.tif", "gsd": 10, "bands": [{"eo:common_name": "red"}]}}
    )
    assert found == {"red": "a.tif", "B04": "b.tif"}


def test_of_several_assets_of_a_band_the_finest_goes_by_its_name_and_no_jpeg_2000() -> None:
    red = {"eo:bands": [{"common_name": "red"}]}
    found = hrefs(
        {
            "B04_20m": {"href": "20.tif", "gsd": 20, **red},
            "B04_jp2": {"href": "10.jp2", "gsd": 10, "type": "image/jp2", **red},
            "B04_10m": {"href": "10.tif", "proj:transform": [10, 0, 0, 0, -10, 0], **red},
            "visual": {"href": "rgb.tif", "eo:bands": [{"common_name": "red"}, {"common_name": "green"}]},
        }
    )
    assert found["red"] == "10.tif"


def test_what_an_item_lacks_is_left_out() -> None:
    (found,) = search_result(
        scene(
            geometry=None,
            assets={"red": {"href": "a.tif"}, "broken": None, "empty": {}},
            properties={"datetime": None, "start_datetime": "2026-11-01T00:00:00Z"},
        )
    )
    assert "Geometry" not in found
    assert found["Assets"] == {"red": {"Href": "a.tif"}}
    assert (found["DateTime"], found["Properties"]) == ("2026-11-01T00:00:00Z", {})


def test_the_rest_of_the_item_goes_along_for_the_products_item() -> None:
    (found,) = search_result(scene())
    assert found["geocadence:item"] == {name: value for name, value in scene().items() if name != "assets"}


@pytest.mark.parametrize("form", ["stac-item", "search-result"])
def test_a_batchs_objects_have_the_form_that_the_definition_asks_for(
    inputs: Bucket, outputs: Bucket, form: str
) -> None:
    pipeline = Pipeline(inputs, outputs, [item(n) for n in range(2)])
    pipeline.definition["processing"]["scene_format"] = form
    planned = pipeline.plan("a")
    write_batch(inputs, RunLayout("ndvi", planned["run_id"]), 0)
    found = inputs.read_json(f"ndvi/runs/{planned['run_id']}/batches/0/{scene_id(1)}.json")
    assert found == (item(1) if form == "stac-item" else search_result(item(1)))
