"""What ids and files are called: none leads outside of the output folder, and each failure keeps a file of its own."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path

import pytest
from spectral import failures
from spectral.failures import InputFailure, check_id, file_name_for
from spectral.staging import Staging

from geocadence import scene_ids
from tests.processing_scripts.factory import Folder, bands, only_failure, random_dn


@pytest.mark.parametrize(
    "scene_id",
    ["../escaped", "a/b", "/etc/passwd", "", "x" * 300, "..", ".", "-rf", "a\nb", "a\x00b", "\ud800", None, 7, ["x"]],
)
def test_a_hostile_id(good: Folder, scene_id):
    item = good.scene("BAD", **bands(), add=False)
    before = set(good.root.rglob("*")) | {good.input / "hostile.json", good.output}
    good.add({**item, "id": scene_id}, name="hostile")
    record = only_failure(good)
    assert record["class"] == "input"
    after = {path for path in good.root.rglob("*") if good.output not in path.parents}
    assert after <= before
    (file,) = good.output.glob("failures/*")
    assert file.parent == good.output / "failures"
    assert len(file.name) < 120


@pytest.mark.parametrize("scene_id", ["S2B_T29SPC_20260426T112109_L2A", "LC09_L2SP_203033", "a", "x" * 181])
def test_usual_ids_are_kept(scene_id):
    assert check_id(scene_id) == file_name_for(scene_id) == scene_id


@pytest.mark.parametrize("scene_id", ["a", "x" * 181, "x" * 182, "urn:x:1", "_x", ".x", "-x", "a=b", "a~b", "é", "a\n"])
def test_an_id_is_safe_here_exactly_when_it_is_safe_to_the_plan(scene_id):
    """The script imports nothing of geocadence; a rule of its own would let the two disagree on what is done."""
    assert (failures._SAFE_ID.pattern, failures._SAFE_ID.flags) == (scene_ids._SAFE.pattern, scene_ids._SAFE.flags)
    assert (file_name_for(scene_id) == scene_id) == scene_ids.is_safe_id(scene_id)
    with nullcontext() if scene_ids.is_safe_id(scene_id) else pytest.raises(InputFailure):
        check_id(scene_id)


def test_names_of_different_bad_ids_differ():
    assert (
        len({file_name_for(scene_id) for scene_id in ("a/b", "a b", "a_b", "a\\b", "../a_b", "x" * 300, "x" * 301)})
        == 7
    )


@pytest.mark.parametrize("target", ["../x.json", "/tmp/x.json", "a/../../x.json", ".", ""])
def test_nothing_is_placed_outside(tmp_path: Path, target):
    with Staging(tmp_path / "output") as staging, pytest.raises(ValueError, match="outside"):
        staging.place_json({}, target)


def test_a_link_does_not_lead_outside(tmp_path: Path):
    (tmp_path / "output").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "output" / "2026").symlink_to(tmp_path / "elsewhere")
    with Staging(tmp_path / "output") as staging, pytest.raises(ValueError, match="outside"):
        staging.place_json({}, "2026/x.json")


@pytest.mark.parametrize("content", [b"{", b"", b"\xff\xfe", b"[" * 100_000, b"[1]", b'{"type": "Feature"}', b"null"])
def test_a_file_that_holds_no_scene(good: Folder, content):
    (good.input / "broken.json").write_bytes(content)
    record = only_failure(good)
    assert (record["scene"], record["class"]) == ("broken", "input")
    assert "broken.json" in record["reason"]


def test_an_unreadable_file_named_like_a_scene_keeps_its_own_failure(good: Folder):
    """Whatever becomes of the scene: a product would take the failure away, a failure would write over it."""
    good.scene("BAD", red=random_dn((8, 8)))
    for scene_id in ("GOOD", "BAD"):
        good.add(json.loads((good.input / f"{scene_id}.json").read_text()), f"elsewhere/{scene_id.lower()}")
        (good.input / f"{scene_id}.json").write_text("{")
    summary = good.run()
    assert good.products() == {"GOOD"}
    failures = good.failures()
    assert set(failures) == {"BAD", "BAD.json", "GOOD.json"}
    assert "no band N" in failures["BAD"]["reason"]
    for name in ("BAD.json", "GOOD.json"):
        assert failures[name]["scene"] == name
        assert f"{name} can't be read as JSON" in failures[name]["reason"]
    assert "3 failed (3 input)" in summary


def test_a_file_with_several_entries_that_are_no_scenes_is_one_failure(good: Folder):
    good.add([1, {"a": 1}, None], "list")
    assert "1 failed (1 input)" in good.run()
    assert "list.json holds 3 entries that are neither" in good.failures()["list"]["reason"]


def test_a_folder_with_the_name_of_a_file_is_no_failure(good: Folder):
    (good.input / "folder.json").mkdir()
    good.run()
    assert good.failures() == {}


def test_a_number_for_an_id_takes_nothing_from_the_scene_whose_id_looks_like_it(folder: Folder):
    item = folder.scene("7", **bands(), add=False)
    folder.add({**item, "id": 7}, "a")
    folder.add(item, "b")
    folder.run()
    assert folder.products() == {"7"}
    ((name, failure),) = folder.failures().items()
    assert name.startswith("int_7-")
    assert "The scene's id 7 can't name a file" in failure["reason"]
