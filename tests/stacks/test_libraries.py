"""Libraries that travel with a script: which wheels, for which Pythons, and what is said where there are none.

The index is a folder of wheels made here, so that no test waits for another's, but the one of a real wheel.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import aws_cdk as cdk
import pytest

from geocadence.definition.requirements import requirements_digest
from stacks.components import libraries, script_asset, uv
from stacks.components.libraries import Libraries, NoWheels
from stacks.components.script_asset import ScriptAsset
from tests.stacks.templates import Synthesis

HERE = "{}.{}".format(*sys.version_info[:2])


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libraries, "CACHE", tmp_path / "cache")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with an index of its own: compiled `bands` for two Pythons, pure `tiles` that needs it."""
    (tmp_path / "index").mkdir()
    for python in ("310", "311", HERE.replace(".", "")):
        wheel(tmp_path, "bands", f"cp{python}-cp{python}-manylinux_2_17_x86_64", f"PYTHON = {python}")
    wheel(tmp_path, "bands", "cp312-cp312-macosx_11_0_arm64", "PYTHON = 'mac'")
    wheel(tmp_path, "tiles", "py3-none-any", "import bands", needs="bands>=1")
    wheel(tmp_path, "modern", "cp311-cp311-manylinux_2_17_x86_64", "")
    return tmp_path


def wheel(
    folder: Path,
    name: str,
    tag: str,
    module: str,
    needs: str = "",
    version: str = "1.0",
    command: str = "",
    programs: dict[str, str] | None = None,
) -> None:
    """`command` becomes a console script that calls the module's `main`; `programs` are files with the x bit."""
    info = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    metadata += f"Requires-Dist: {needs}\nProvides-Extra: colour\n" if needs else ""
    files = {
        f"{name}/__init__.py": module,
        f"{info}/METADATA": metadata,
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: false\nTag: {tag}\n",
    }
    if command:
        files[f"{info}/entry_points.txt"] = f"[console_scripts]\n{command} = {name}:main\n"
    files |= programs or {}
    digests = {path: base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()) for path, text in files.items()}
    lines = [f"{path},sha256={digests[path].decode().rstrip('=')},{len(text)}" for path, text in files.items()]
    with zipfile.ZipFile(folder / "index" / f"{name}-{version}-{tag}.whl", "w") as packed:
        for path, text in files.items():
            entry = zipfile.ZipInfo(path)
            entry.external_attr = (0o755 if path in (programs or {}) else 0o644) << 16
            packed.writestr(entry, text)
        packed.writestr(f"{info}/RECORD", "\n".join([*lines, f"{info}/RECORD,,"]) + "\n")


def requirements(project: Path, text: str) -> Path:
    path = project / "requirements.txt"
    path.write_text(f"--no-index\n--find-links {project}/index\n{text}")
    return path


def test_what_takes_long_the_first_time_is_told_before_it_begins(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    asked = requirements(project, "tiles\n")
    monkeypatch.chdir(project)

    def told_before(*arguments: str, cwd: Path):
        assert "gathering the libraries of requirements.txt for Python 3.11" in capsys.readouterr().err
        raise KeyboardInterrupt

    with monkeypatch.context() as slow, pytest.raises(KeyboardInterrupt):
        slow.setattr(libraries, "uv", told_before)
        Libraries(asked).zips(("3.11",))
    Libraries(asked).zips(("3.11",))
    capsys.readouterr()
    Libraries(asked).zips(("3.11",))
    assert capsys.readouterr().err == ""


def names(path: Path) -> set[str]:
    with zipfile.ZipFile(path) as packed:
        return {name.partition("/")[0] for name in packed.namelist()}


def test_each_python_gets_its_own_wheels_with_what_they_need(project: Path) -> None:
    zips = Libraries(requirements(project, "tiles\n")).zips(("3.10", "3.11"))
    assert set(zips) == {"3.10", "3.11"}
    for python, path in zips.items():
        assert names(path) == {"bands", "bands-1.0.dist-info", "tiles", "tiles-1.0.dist-info"}
        with zipfile.ZipFile(path) as packed:
            assert packed.read("bands/__init__.py").decode() == f"PYTHON = {python.replace('.', '')}"


def test_what_the_image_provides_stays_at_home(project: Path) -> None:
    zips = Libraries(requirements(project, "tiles\n"), provided=("bands",)).zips(("3.10",))
    assert names(zips["3.10"]) == {"tiles", "tiles-1.0.dist-info"}


def test_the_same_requirements_make_the_same_bytes_anywhere(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = Libraries(requirements(project, "tiles\n"))
    first = given.zips(("3.10",))["3.10"].read_bytes()
    monkeypatch.setattr(libraries, "CACHE", tmp_path / "another machine")
    assert given.zips(("3.10",))["3.10"].read_bytes() == first


TOOL = {"viewer-1.0.data/scripts/tool": "#!/bin/sh\necho a tool\n", "viewer/run": "#!/bin/sh\necho ran\n"}


def test_programs_travel_as_programs_and_without_this_machines_paths(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel(project, "viewer", "py3-none-any", "def main(): print('viewed')", command="view", programs=TOOL)
    given = Libraries(requirements(project, "viewer\n"))
    path = given.zips((HERE,))[HERE]
    with zipfile.ZipFile(path) as packed:
        modes = {entry.filename: entry.external_attr >> 16 for entry in packed.infolist()}
        record = packed.read("viewer-1.0.dist-info/RECORD").decode()
        assert packed.read("bin/view").startswith(b"#!/usr/bin/env python3\n")
        assert packed.read("bin/tool") == b"#!/bin/sh\necho a tool\n"
    assert {name for name, mode in modes.items() if mode == 0o755} == {"bin/view", "bin/tool", "viewer/run"}
    assert set(modes.values()) == {0o755, 0o644}
    assert {"bin/view,,", "bin/tool,,"} <= set(record.splitlines())

    # Another machine's Python lies where blanks are in the path, which installers write in a way of its own.
    first, folder = path.read_bytes(), tmp_path / "a folder of mine"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    monkeypatch.setenv("VIRTUAL_ENV", str(folder))
    monkeypatch.setattr(libraries, "CACHE", tmp_path / "another machine")
    assert given.zips((HERE,))[HERE].read_bytes() == first


def test_a_second_synthesis_asks_nobody(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = Libraries(requirements(project, "tiles\n"))
    first = given.zips(("3.10",))
    monkeypatch.setattr(libraries, "uv", lambda *_, **__: pytest.fail("uv was asked"))
    assert given.zips(("3.10",)) == first


def test_a_change_in_an_included_file_is_a_change(project: Path) -> None:
    (project / "more.txt").write_text("bands\n")
    given = Libraries(requirements(project, "-r more.txt\n"))
    assert names(given.zips(("3.10",))["3.10"]) == {"bands", "bands-1.0.dist-info"}
    (project / "more.txt").write_text("tiles\n")
    assert "tiles" in names(given.zips(("3.10",))["3.10"])


def test_a_requirement_without_a_wheel_is_named_with_file_line_python_and_platform(project: Path) -> None:
    file = requirements(project, "tiles\n\n# for the pyramid\nModern>=1  # fast\n")
    with pytest.raises(NoWheels) as refusal:
        Libraries(file).zips(("3.11", "3.10"))
    assert str(refusal.value).splitlines()[0] == (
        f"{file}:6: Modern>=1: has no wheel for Python 3.10 on x86_64-manylinux_2_28, or needs what has none "
        "(only wheels travel: nothing is built)"
    )


# Of a package that needs nothing to be built, so that whoever would build it, could.
_BACKEND = """
import zipfile

def build_wheel(folder, config_settings=None, metadata_directory=None):
    name = "bathymetry-1.0-py3-none-any.whl"
    info = "bathymetry-1.0.dist-info"
    files = {"bathymetry.py": "", f"{info}/METADATA": "Metadata-Version: 2.1\\nName: bathymetry\\nVersion: 1.0\\n"}
    files[f"{info}/WHEEL"] = "Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
    files[f"{info}/RECORD"] = ""
    with zipfile.ZipFile(f"{folder}/{name}", "w") as packed:
        for path, text in files.items():
            packed.writestr(path, text)
    return name
"""


@pytest.fixture
def source(project: Path) -> Path:
    """`bathymetry`, of which the index has the source alone."""
    files = {
        "PKG-INFO": "Metadata-Version: 2.1\nName: bathymetry\nVersion: 1.0\n",
        "pyproject.toml": "[build-system]\nrequires = []\nbuild-backend = 'backend'\nbackend-path = ['.']\n"
        "[project]\nname = 'bathymetry'\nversion = '1.0'\n",
        "backend.py": _BACKEND,
    }
    path = project / "index/bathymetry-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as packed:
        for name, text in files.items():
            entry = tarfile.TarInfo(f"bathymetry-1.0/{name}")
            entry.size = len(text.encode())
            packed.addfile(entry, io.BytesIO(text.encode()))
    return path


def test_a_requirement_that_would_have_to_be_built_has_no_wheel(project: Path, source: Path, tmp_path: Path) -> None:
    file = requirements(project, "tiles\nbathymetry\n")
    with pytest.raises(NoWheels, match=r":4: bathymetry: has no wheel for Python 3\.10 .*\(only wheels travel"):
        Libraries(file).zips(("3.10",))
    # It could be built: what stands in the way is that nothing is to be.
    built = uv.uv("pip", "install", "--no-index", "--target", str(tmp_path / "built"), str(source))
    assert (tmp_path / "built/bathymetry.py").is_file(), built.stderr


def test_what_the_lock_holds_without_a_digest_is_not_installed(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def losing(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        done = uv.uv(*arguments, cwd=cwd)
        if "compile" in arguments:
            lock = Path(arguments[arguments.index("--output-file") + 1])
            kept = re.sub(r"(tiles==1\.0)( \\\n +--hash=\S+)+", r"\1", lock.read_text())
            assert kept != lock.read_text()
            lock.write_text(kept)
        return done

    monkeypatch.setattr(libraries, "uv", losing)
    with pytest.raises(NoWheels, match=r"requirements\.txt: its libraries could not be gathered:"):
        Libraries(requirements(project, "tiles\n")).zips(("3.10",))


def test_a_requirement_whose_own_requirement_has_no_wheel_is_named(project: Path) -> None:
    wheel(project, "viewer", "py3-none-any", "", needs="modern")
    file = requirements(project, "tiles\nviewer\n")
    with pytest.raises(NoWheels, match=r"requirements\.txt:4: viewer: has no wheel for Python 3\.10"):
        Libraries(file).zips(("3.10",))


def test_a_requirement_in_an_included_file_is_named_by_that_files_line(project: Path) -> None:
    (project / "more.txt").write_text("bands\nnowhere==2\n")
    with pytest.raises(NoWheels, match=r"more\.txt:2: nowhere==2: has no wheel"):
        Libraries(requirements(project, "-r more.txt\n")).zips(("3.10",))


def digest_of(project: Path, name: str) -> str:
    (path,) = (project / "index").glob(f"{name}-*.whl")
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_hash_that_is_named_is_kept_to(project: Path) -> None:
    good = f"tiles==1.0 \\\n    --hash=sha256:{'0' * 64} \\\n    --hash=sha256:{digest_of(project, 'tiles')}\n"
    assert "tiles" in names(Libraries(requirements(project, good)).zips(("3.10",))["3.10"])
    file = requirements(project, f"bands\ntiles==1.0 --hash=sha256:{'0' * 64}\n")
    with pytest.raises(NoWheels, match=r"requirements\.txt:4: tiles==1\.0 .*: the index has no file with a hash"):
        Libraries(file).zips(("3.10",))


@pytest.mark.parametrize("option", ["--find-links index", "-f ./index", "--find-links=index"])
def test_a_folder_of_wheels_lies_beside_the_file_that_names_it(project: Path, option: str) -> None:
    file = project / "requirements.txt"
    file.write_text(f"--no-index\n{option}\ntiles\n")
    assert "tiles" in names(Libraries(file).zips(("3.10",))["3.10"])
    (project / "all").mkdir()
    (project / "all" / "requirements.txt").write_text("-r ../requirements.txt\n")
    assert "tiles" in names(Libraries(project / "all" / "requirements.txt").zips(("3.10",))["3.10"])


@pytest.mark.parametrize("option", ["-f ${OF_OURS}/index", "--find-links file://${OF_OURS}/my%20index"])
def test_a_folder_of_wheels_is_found_by_a_variable_and_by_an_address(
    project: Path, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    monkeypatch.setenv("OF_OURS", str(project))
    shutil.copytree(project / "index", project / "my index")
    (project / "more").mkdir()
    (project / "more/all.txt").write_text(f"--no-index\n{option}\nbands\n")
    asked = project / "requirements.txt"
    asked.write_text("-r ${OF_OURS}/more/all.txt\n")
    before = requirements_digest(asked)
    assert "bands" in names(Libraries(asked).zips(("3.10",))["3.10"])

    wheel(project, "bands", "cp310-cp310-manylinux_2_17_x86_64", "PYTHON = 'again'")
    shutil.copytree(project / "index", project / "my index", dirs_exist_ok=True)
    assert requirements_digest(asked) != before


def test_another_wheel_in_a_folder_is_a_change(project: Path) -> None:
    given = Libraries(requirements(project, "bands\n"))
    given.zips(("3.10",))
    wheel(project, "bands", "cp310-cp310-manylinux_2_17_x86_64", "PYTHON = 'newer'", version="1.1")
    with zipfile.ZipFile(given.zips(("3.10",))["3.10"]) as packed:
        assert packed.read("bands/__init__.py") == b"PYTHON = 'newer'"


def test_a_wheel_built_again_under_its_old_name_is_a_change(project: Path) -> None:
    given = Libraries(requirements(project, "bands\n"))
    given.zips(("3.10",))
    wheel(project, "bands", "cp310-cp310-manylinux_2_17_x86_64", "PYTHON = 'again'")
    with zipfile.ZipFile(given.zips(("3.10",))["3.10"]) as packed:
        assert packed.read("bands/__init__.py") == b"PYTHON = 'again'"


def test_markers_and_extras_are_those_of_the_container(project: Path) -> None:
    lines = "tiles; python_version < '3.11'\nmodern; python_version >= '3.11'\nbands; sys_platform == 'win32'\n"
    assert "modern" not in names(Libraries(requirements(project, lines)).zips(("3.10",))["3.10"])
    assert names(Libraries(requirements(project, lines)).zips(("3.11",))["3.11"]) == {"modern", "modern-1.0.dist-info"}
    wheel(project, "viewer", "py3-none-any", "", needs="bands; extra == 'colour'")
    assert "bands" in names(Libraries(requirements(project, "viewer[colour]\n")).zips(("3.10",))["3.10"])


def test_a_wheel_for_a_newer_glibc_is_none(project: Path) -> None:
    wheel(project, "fresh", "cp310-cp310-manylinux_2_34_x86_64", "")
    with pytest.raises(NoWheels, match=r":3: fresh: has no wheel for Python 3\.10 on x86_64-manylinux_2_28"):
        Libraries(requirements(project, "fresh\n")).zips(("3.10",))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("bands\ntiles=>1\n", r"requirements\.txt:4: tiles=>1: can't be had .*no such comparison operator"),
        ("bands==1\nbands<1\n", r"requirements\.txt:3: bands==1: can't be had .*:4: bands<1: can't be had"),
        ("bands\n-r requirements.txt\n", r"requirements\.txt:4: requirements\.txt includes itself"),
        ("x @ file:///nowhere/x-1-py3-none-any.whl\n", r"requirements\.txt:3: x @ file:///nowhere/.*: can't be had"),
    ],
)
def test_what_is_wrong_with_a_line_is_told_with_the_line(project: Path, text: str, told: str) -> None:
    with pytest.raises(NoWheels) as refusal:
        Libraries(requirements(project, text)).zips(("3.10",))
    assert re.search(told, str(refusal.value), re.DOTALL), str(refusal.value)


def test_a_file_in_another_encoding_is_named(project: Path) -> None:
    file = project / "requirements.txt"
    file.write_bytes("# für die Karten\nbands\n".encode("latin-1"))
    with pytest.raises(NoWheels, match=r"requirements\.txt is no text in UTF-8 .*save it as such"):
        Libraries(file).zips(("3.10",))


@pytest.mark.parametrize(
    "line", ["file:mine.whl", "./wheels/mine-1-py3-none-any.whl", "wheels/mine-1-py3-none-any.whl ; x"]
)
def test_a_wheel_by_its_path_is_told_how_to_be_named(project: Path, line: str) -> None:
    with pytest.raises(NoWheels, match=r"requirements\.txt:3: .* is a wheel by its path .*--find-links"):
        Libraries(requirements(project, f"{line}\n")).zips(("3.10",))


@pytest.mark.parametrize("line", ["-e .", "./mine", "/home/me/mine", "file:mine", "wheels/mine", "mine.tar.gz ; x"])
def test_a_folder_is_no_requirement(project: Path, line: str) -> None:
    with pytest.raises(NoWheels, match=r"requirements\.txt:3: .* is no package of an index"):
        Libraries(requirements(project, f"{line}\n")).zips(("3.10",))


@pytest.mark.parametrize(
    "line",
    [
        "git+https://example.com/bands",
        "GIT+https://example.com/bands",
        "bands[all] @ git+ssh://git@example.com/bands@v1",
        "bands @ git+https://example.com/bands-1.0-py3-none-any.whl",
    ],
)
def test_a_repository_is_no_requirement(project: Path, line: str) -> None:
    with pytest.raises(NoWheels, match=r"requirements\.txt:3: .* is a repository, not a wheel"):
        Libraries(requirements(project, f"{line}\n")).zips(("3.10",))


@pytest.mark.parametrize(
    "line",
    [
        "bands @ https://example.com/bands-1.0.zip",
        "bands[all]@https://example.com/bands-1.0.tar.gz#sha256=00 ; python_version > '3'",
        "https://example.com/download?file=bands-1.0-py3-none-any.whl",
        "bands @ file:///home/me/bands",
        "bands @ ../bands",
    ],
)
def test_an_address_of_what_is_no_wheel_is_no_requirement(project: Path, line: str) -> None:
    told = r"requirements\.txt:3: .* is no wheel \(only wheels travel: .* build one and name its folder by --find-links"
    with pytest.raises(NoWheels, match=told):
        Libraries(requirements(project, f"{line}\n")).zips(("3.10",))


@pytest.fixture
def server(project: Path) -> Iterator[str]:
    """The address of the index, by HTTP."""
    handler = partial(SimpleHTTPRequestHandler, directory=project / "index")
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as listening:
        Thread(target=listening.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{listening.server_port}"
        listening.shutdown()


@pytest.mark.parametrize("name", ["tiles @ ", "tiles[colour]@", ""])
def test_a_wheel_travels_from_its_address(project: Path, server: str, name: str) -> None:
    line = f"{name}{server}/tiles-1.0-py3-none-any.whl"
    assert names(Libraries(requirements(project, f"{line}\n")).zips(("3.10",))["3.10"]) >= {"tiles", "bands"}


def test_a_wheel_in_a_folder_with_a_blank_in_its_name_travels_and_another_in_its_place_is_a_change(
    project: Path,
) -> None:
    (project / "my index").mkdir()
    place = (project / "index/tiles-1.0-py3-none-any.whl").rename(project / "my index/tiles-1.0-py3-none-any.whl")
    asked = requirements(project, f"tiles @ {place.as_uri()}\n")
    before = requirements_digest(asked)
    assert names(Libraries(asked).zips(("3.10",))["3.10"]) >= {"tiles", "bands"}

    place.write_bytes(place.read_bytes() + b"\0")
    assert requirements_digest(asked) != before


@pytest.mark.parametrize(
    "address", ["./index/{}", "index/{}", "file:index/{}", "{folder}/index/{}", "${{WHEELS_OF_OURS}}/{}"]
)
def test_a_wheel_built_again_is_a_change_however_its_path_is_written(
    project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory, address: str
) -> None:
    monkeypatch.setenv("WHEELS_OF_OURS", str(project / "index"))
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    (project / "more").mkdir()
    line = f"bands @ {address.format('bands-1.0-cp310-cp310-manylinux_2_17_x86_64.whl', folder=project)}\n"
    # Paths begin beside the file that includes the others, as uv has it.
    (project / "more/included.txt").write_text(line)
    asked = Libraries(requirements(project, "-r more/included.txt\n"))
    asked.zips(("3.10",))
    before = requirements_digest(asked.requirements)

    wheel(project, "bands", "cp310-cp310-manylinux_2_17_x86_64", "PYTHON = 'again'")
    assert requirements_digest(asked.requirements) != before
    with zipfile.ZipFile(asked.zips(("3.10",))["3.10"]) as packed:
        assert packed.read("bands/__init__.py") == b"PYTHON = 'again'"


def test_an_included_file_that_is_not_there_is_named(project: Path) -> None:
    with pytest.raises(NoWheels, match=r"requirements\.txt:3: gone\.txt is not there"):
        Libraries(requirements(project, "-c gone.txt\n")).zips(("3.10",))


def _archive(project: Path, **settings) -> Path:
    """The archive of a script."""
    app = cdk.App(outdir=str(project / "out"), analytics_reporting=False)
    asset = ScriptAsset(cdk.Stack(app, "Stack"), "Script", **settings)
    app.synth()
    return project / "out" / f"asset.{asset.file_name}"


def _run(archive: Path) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-I", archive], capture_output=True, text=True, check=False)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the libraries travel for x86_64")
def test_a_script_imports_what_travels_with_it(project: Path) -> None:
    (project / "main.py").write_text("import tiles\nprint(tiles.bands.PYTHON)\n")
    file = requirements(project, "tiles\n")
    archive = _archive(project, script=project / "main.py", requirements=file, python=HERE)
    done = _run(archive)
    assert done.stdout == HERE.replace(".", "") + "\n", done.stderr


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the libraries travel for x86_64")
def test_a_script_calls_programs_of_what_travels_with_it_by_their_names(project: Path) -> None:
    """A real wheel's, too: ninja, which is compiled."""
    wheel(project, "viewer", "py3-none-any", "def main(): print('viewed')", command="view", programs=TOOL)
    (project / "main.py").write_text(
        "import subprocess, viewer\n"
        "for command in (['view'], ['tool'], [viewer.__path__[0] + '/run'], ['ninja', '--version']):\n"
        "    print(subprocess.check_output(command, text=True).strip())\n"
    )
    file = project / "requirements.txt"
    file.write_text(f"--find-links {project}/index\nviewer\nninja==1.13.0\n")
    done = _run(_archive(project, script=project / "main.py", requirements=file, python=HERE))
    assert done.stdout.splitlines() == ["viewed", "a tool", "ran", "1.13.0.git.kitware.jobserver-pipe-1"], done.stderr


def test_what_goes_to_the_local_cloud_holds_this_machines_python_instead_and_is_refused_for_the_images(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "main.py").write_text("")
    gathered, zips = [], Libraries.zips
    monkeypatch.setattr(Libraries, "zips", lambda self, pythons: gathered.append(pythons) or zips(self, pythons))
    settings = {"script": project / "main.py", "requirements": requirements(project, "tiles\n"), "python": "3.10"}

    def pythons(endpoint: str) -> set[str]:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        with zipfile.ZipFile(_archive(project, **settings)) as packed:
            return set(json.loads(packed.read("start.json"))["libraries"][0]["zips"])

    assert pythons("https://sagemaker.us-west-2.amazonaws.com") == {"3.10"}
    assert pythons("https://127.0.0.1:7821") == {HERE}
    assert gathered == [("3.10",), ("3.10", HERE)]


def test_a_script_without_requirements_travels_alone(project: Path) -> None:
    (project / "main.py").write_text("print('alone')\n")
    archive = _archive(project, script=project / "main.py", python="3.10")
    with zipfile.ZipFile(archive) as packed:
        assert [name for name in packed.namelist() if not name.endswith("/")] == [
            "__main__.py",
            "script/main.py",
            "start.json",
        ]
    assert _run(archive).stdout == "alone\n"


def test_a_built_in_scripts_own_libraries_are_no_condition(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = requirements(project, "tiles\n")
    monkeypatch.setitem(script_asset.LIBRARIES_OF_BUILT_INS, "spectral_index", lock)
    archive = _archive(project, script=script_asset.BUILT_IN / "spectral_index.py", python="3.10")
    with zipfile.ZipFile(archive) as packed:
        start = json.loads(packed.read("start.json"))
    (told,) = start["libraries"]
    assert (told["name"], told["required"], set(told["zips"])) == ("requirements.txt", False, {"3.10"})
    assert told["packages"] == ["bands", "tiles"]
    assert start["entry"] == "spectral_index.py"


def test_requirements_of_ones_own_may_bear_the_name_of_ours(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "ours").mkdir()
    ours = project / "ours" / "codecs.txt"
    ours.write_text(f"--no-index\n--find-links {project}/index\nbands\n")
    mine = requirements(project, "tiles\n").rename(project / "codecs.txt")
    monkeypatch.setitem(script_asset.LIBRARIES_OF_BUILT_INS, "spectral_index", ours)
    archive = _archive(project, script=script_asset.BUILT_IN / "spectral_index.py", requirements=mine, python="3.10")
    with zipfile.ZipFile(archive) as packed:
        first, second = json.loads(packed.read("start.json"))["libraries"]
        for told in (first, second):
            (project / "inner.zip").write_bytes(packed.read(told["zips"]["3.10"]))
            assert libraries.packages_in(project / "inner.zip") == set(told["packages"])
    assert (first["packages"], second["packages"]) == (["bands"], ["bands", "tiles"])


def test_the_built_in_scripts_codecs_travel_without_another_numpy(synthesis: Synthesis) -> None:
    entry = synthesis.stack("geocadence-dev-ndvi-weekly").task["Arguments"]["AppSpecification"]["ContainerEntrypoint"]
    with zipfile.ZipFile(synthesis.folder / f"asset.{entry[1].rpartition('/')[2]}") as archive:
        (told,) = json.loads(archive.read("start.json"))["libraries"]
        assert (told["packages"], list(told["zips"])) == (["imagecodecs", "llvmlite"], ["3.10"])
        with archive.open(told["zips"]["3.10"]) as inner, zipfile.ZipFile(inner) as packed:
            compiled = [name for name in packed.namelist() if name.endswith(".so")]
    assert any("cpython-310-x86_64-linux-gnu" in name for name in compiled)


def test_without_uv_it_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(uv, "ROOT", tmp_path)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(uv.NoUv, match="uv is needed to gather Python packages"):
        uv.uv("--version")
