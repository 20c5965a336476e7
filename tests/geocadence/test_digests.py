"""What of a definition is another script or image, so that its products are made anew; and what is none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from geocadence.definition import load_pipeline, loading
from geocadence.definition.files import code_digest
from geocadence.definition.images import BUILD_CONTEXT


@pytest.fixture
def scripted(tmp_path: Path) -> Callable[[], str]:
    """A definition whose script is a folder and has requirements; the digest of what travels."""
    (tmp_path / "script.py" / "tests").mkdir(parents=True)
    (tmp_path / "script.py" / "__main__.py").touch()
    (tmp_path / "script.py" / "requirements.txt").write_text("bands\n")
    (tmp_path / "p.yaml").write_text(
        "name: p\nsource: {prefix: {uri: s3://bucket/images/}}\n"
        "processing: {script: script.py, requirements: script.py/requirements.txt}\n"
    )
    return lambda: load_pipeline(tmp_path / "p.yaml").resolved()["processing"]["code_digest"]


@pytest.mark.parametrize("file", ["legend.md", "test_pattern.py", "tests/golden.txt"])
def test_a_change_in_any_file_that_travels_with_a_folder_is_another_script(
    tmp_path: Path, scripted: Callable[[], str], file: str
) -> None:
    before = scripted()
    (tmp_path / "script.py" / file).write_text("read by the script")

    assert scripted() != before


def test_a_change_behind_a_link_is_another_script(tmp_path: Path, scripted: Callable[[], str]) -> None:
    (tmp_path / "shared" / "bands").mkdir(parents=True)
    module = tmp_path / "shared" / "bands" / "red.py"
    module.write_text("RED = 3")
    (tmp_path / "script.py" / "bands").symlink_to("../shared/bands")
    before = scripted()
    module.write_text("RED = 4")

    assert scripted() != before


@pytest.mark.parametrize(
    "line", ["-r more.txt", "-c more.txt", "-rmore.txt", "--requirement=more.txt", "--constraint more.txt"]
)
def test_a_change_in_a_file_that_requirements_include_is_another_script(
    tmp_path: Path, scripted: Callable[[], str], line: str
) -> None:
    (tmp_path / "script.py" / "requirements.txt").write_text("bands\n-r ../first.txt\n")
    (tmp_path / "first.txt").write_text(f"{line}\n")
    (tmp_path / "more.txt").write_text("bands<2\n")
    before = scripted()
    (tmp_path / "more.txt").write_text("bands<3\n")

    assert scripted() != before


@pytest.mark.parametrize("line", ["--find-links ../wheels", "-f ../wheels", "--find-links=file://{}/wheels"])
def test_another_wheel_in_a_folder_of_ones_own_is_another_script(
    tmp_path: Path, scripted: Callable[[], str], line: str
) -> None:
    (tmp_path / "script.py" / "requirements.txt").write_text(f"bands\n{line.format(tmp_path)}\n")
    (tmp_path / "wheels").mkdir()
    before = scripted()
    (tmp_path / "wheels" / "bands-1.0-py3-none-any.whl").write_bytes(b"first")
    built = scripted()
    (tmp_path / "wheels" / "bands-1.0-py3-none-any.whl").write_bytes(b"built again, of the same version")

    assert len({before, built, scripted()}) == 3


def test_a_wheel_that_is_named_by_its_path_is_part_of_the_script(tmp_path: Path, scripted: Callable[[], str]) -> None:
    wheel = tmp_path / "bands-1.0-py3-none-any.whl"
    wheel.write_bytes(b"first")
    (tmp_path / "script.py" / "requirements.txt").write_text(f"bands @ file://{wheel}\n")
    before = scripted()
    wheel.write_bytes(b"second")

    assert scripted() != before


def test_products_of_scripts_that_did_not_change_keep_their_recipe(tmp_path: Path, scripted: Callable[[], str]) -> None:
    """Digests of earlier versions: where they changed, every product would be made anew."""
    assert scripted() == "19333d2d67f1ceb5"
    (tmp_path / "mine.py").write_text("print(1)\n")
    path = tmp_path / "pipeline.yaml"
    path.write_text("name: p\nsource: {prefix: {uri: s3://bucket/images/}}\nprocessing: {script: mine.py}\n")
    assert load_pipeline(path).resolved()["processing"]["code_digest"] == "1152a062f710e18d"


@pytest.mark.parametrize(
    ("changed", "is_another"),
    [("spectral/mask.py", True), ("cataloguing/item.py", False), ("_catalogue_files.py", False)],
)
def test_a_built_in_script_is_another_when_what_it_needs_changes_and_only_then(
    tmp_path: Path, changed: str, is_another: bool
) -> None:
    for file in ("spectral_index.py", "_catalogue_files.py", "spectral/mask.py", "cataloguing/item.py"):
        path = tmp_path / "processing_scripts" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("as before")
    script = tmp_path / "processing_scripts" / "spectral_index.py"
    before = code_digest(script, root=tmp_path)
    (tmp_path / "processing_scripts" / changed).write_text("changed")

    assert (code_digest(script, root=tmp_path) != before) == is_another


@pytest.mark.parametrize(
    "changed", ["container/launcher/__main__.py", "processing_scripts/cataloguing/item.py", "requirements/codecs.txt"]
)
def test_what_starts_a_script_and_catalogues_its_files_is_no_part_of_its_recipe(tmp_path: Path, changed: str) -> None:
    """It changes no pixel; a release that mends a line of log would have every product of everybody made anew."""
    script = tmp_path / "mine.py"
    for path in (script, tmp_path / changed):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("as before")
    before = code_digest(script, root=tmp_path)
    (tmp_path / changed).write_text("changed")

    assert code_digest(script, root=tmp_path) == before


@pytest.mark.parametrize("changed", ["Dockerfile", "requirements.txt"])
def test_an_image_that_is_built_here_is_told_by_what_it_is_made_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: str
) -> None:
    context = {name: tmp_path / name for name in BUILD_CONTEXT}
    for name, path in context.items():
        path.write_text(f"{name} of yesterday")
    monkeypatch.setattr(loading, "BUILD_CONTEXT", context)
    other = "123456789012.dkr.ecr.us-west-2.amazonaws.com/a:1"

    def digests() -> list[str]:
        found = []
        for image in ("build", "sagemaker-geospatial", other):
            (tmp_path / "p.yaml").write_text(
                "name: p\nsource: {prefix: {uri: s3://bucket/images/}}\n"
                f'processing: {{script: spectral_index, image: "{image}", arguments: {{indices: [NDVI]}}}}\n'
            )
            found.append(load_pipeline(tmp_path / "p.yaml").resolved()["processing"]["image_digest"])
        return found

    before = digests()
    context[changed].write_text("of today")
    after = digests()

    assert before[0] != after[0]
    assert before[1:] == after[1:] == ["", ""]
