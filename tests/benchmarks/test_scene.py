"""The scene that everything is measured on is like a real one, and the same every time."""

from __future__ import annotations

import numpy as np
import rasterio

from benchmarks import scene
from benchmarks.scene import Scene, scene_of


def test_the_scene_is_the_same_every_time(tmp_path, monkeypatch):
    made = []
    for name in ("one", "other"):
        monkeypatch.setattr(scene, "SCENES", tmp_path / name)
        made.append(scene_of(255))
    one, other = made
    for key in ("red", "nir", "scl"):
        assert one.band(key).read_bytes() == other.band(key).read_bytes()
    assert one.shares == other.shares


def test_a_scene_made_before_is_taken_from_the_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(scene, "SCENES", tmp_path)
    made = scene_of(128)
    written = made.band("red").stat().st_mtime_ns
    assert scene_of(128) == made
    assert made.band("red").stat().st_mtime_ns == written


def test_bands_are_cogs_that_compress_as_real_ones_do(small_scene: Scene):
    for key in ("blue", "green", "red", "nir"):
        with rasterio.open(small_scene.band(key)) as dataset:
            structure = dataset.tags(ns="IMAGE_STRUCTURE")
            assert (structure["LAYOUT"], structure["COMPRESSION"], structure["PREDICTOR"]) == ("COG", "DEFLATE", "2")
            assert dataset.block_shapes == [(1024, 1024)]
            pixels = sum((1100 / factor) ** 2 for factor in (1, *dataset.overviews(1)))
        assert 1.3 <= 2 * pixels / small_scene.band(key).stat().st_size <= 1.8


def test_dn_hold_the_offset_that_the_item_tells(small_scene: Scene):
    (told,) = small_scene.item()["assets"]["red"]["raster:bands"]
    assert (told["scale"], told["offset"]) == (0.0001, -0.1)
    with rasterio.open(small_scene.band("red")) as red, rasterio.open(small_scene.band("scl")) as scl:
        clear = scl.read(1).repeat(2, axis=0).repeat(2, axis=1) == 4
        # Dense vegetation reflects a few percent of red light: DN of 1000 more than that.
        assert 1100 < np.median(red.read(1)[clear]) < 2000


def test_nodata_and_clouds_are_where_the_scl_says_so(small_scene: Scene):
    with rasterio.open(small_scene.band("nir")) as nir, rasterio.open(small_scene.band("scl")) as scl:
        pixels, classes = nir.read(1), scl.read(1).repeat(2, axis=0).repeat(2, axis=1)
    assert np.array_equal(pixels == 0, classes == 0)
    assert {0, 3, 4, 5, 8, 9, 10} <= set(np.unique(classes))
    assert pixels[classes == 9].mean() > 1.5 * pixels[classes == 4].mean()


def test_items_of_other_numbers_are_other_scenes_with_the_same_files(small_scene: Scene):
    one, other = small_scene.item(), small_scene.item(number=3)
    assert one["id"] != other["id"]
    assert one["assets"] == other["assets"]
    assert small_scene.item(prefix="http://127.0.0.1:1")["assets"]["red"]["href"].startswith("http://127.0.0.1:1/S2B_")
