"""What somebody sees who looks into the output folder while the script works, as a continuous upload does."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from spectral import staging
from spectral.failures import UnfitInstance
from spectral.staging import Staging

from tests.processing_scripts.factory import SCRIPTS, Folder, random_dn

UNSHARE = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--mount"]
MOUNTS = {"tmpfs": 'mount -t tmpfs none "$0"', "bind": 'mount --bind "$0" "$0"'}

# Runs in the namespace of the mount; argv: output folder, temporary folder, command. An Item is looked for
# before its assets are measured: whatever it vouches for has to be complete from then on.
WATCHER = """
import json, os, subprocess, sys
output, temporary, *command = sys.argv[1:]

def files(folder):
    return {os.path.relpath(os.path.join(at, name), folder): os.path.join(at, name)
            for at, folders, names in os.walk(folder) for name in (*names, *folders)}

def sizes():
    found = {}
    for name, path in files(output).items():
        try:
            if not os.path.isdir(path):
                found[name] = os.stat(path).st_size
        except FileNotFoundError:
            pass
    return found

names, drafts, seen, looks = set(), set(), [], 0
running = subprocess.Popen(command, env={**os.environ, "TMPDIR": temporary}, stdout=subprocess.DEVNULL)
while running.poll() is None:
    looks += 1
    names |= set(files(output))
    drafts |= {os.path.basename(name) for name in files(temporary)}
    items = [name for name in files(output) if name.endswith(".json")]
    now = sizes()
    if not seen or seen[-1] != [items, now]:
        seen.append([items, now])
items = []
for name in sizes():
    if name.endswith(".json"):
        with open(os.path.join(output, name)) as file:
            items.append([name, json.load(file)])
print(json.dumps({"code": running.returncode, "names": sorted(names), "drafts": sorted(drafts), "seen": seen,
                  "looks": looks, "final": sizes(), "items": items, "left": sorted(files(temporary))}))
"""


@pytest.fixture(params=sorted(MOUNTS))
def mount(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The shell's command that makes `$0` a mount of its own; skips where this system lets nobody mount."""
    target = tmp_path / "trial"
    target.mkdir()
    try:
        tried = subprocess.run(
            [*UNSHARE, "sh", "-c", MOUNTS[request.param], target], capture_output=True, text=True, check=False
        )
    except FileNotFoundError as error:
        pytest.skip(f"needs unshare: {error}")
    if tried.returncode:
        pytest.skip(f"needs mounts in a namespace of its own: {tried.stderr.strip()}")
    return MOUNTS[request.param]


def test_a_watcher_of_an_output_on_its_own_mount_sees_no_drafts_and_items_only_after_their_assets(
    folder: Folder, mount: str
):
    for scene_id in ("ONE", "TWO"):
        folder.scene(
            scene_id,
            **{key: random_dn((1500, 1500), seed=seed) for seed, key in enumerate(("red", "nir", "blue"))},
        )
    folder.output.mkdir()
    temporary = folder.root / "temporary"
    temporary.mkdir()
    script = [sys.executable, SCRIPTS / "spectral_index.py", "--input", folder.input, "--output", folder.output]
    script += ["--indices", "NDVI,EVI,SR"]
    watcher = [sys.executable, "-c", WATCHER, folder.output, temporary]
    done = subprocess.run(
        [*UNSHARE, "sh", "-ec", f'{mount}; exec "$@"', folder.output, *watcher, *script],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    saw = json.loads(done.stdout)
    assert saw["code"] == 0, done.stderr

    assert saw["looks"] > 20
    assert [name for name in saw["names"] if any(part.startswith(".") for part in Path(name).parts)] == []
    assert set(saw["names"]) <= {str(path) for name in saw["final"] for path in (Path(name), *Path(name).parents)}, (
        "names that are no product's"
    )
    assert {"ONE_ndvi.tif", "TWO_ndvi.tif"} <= set(saw["drafts"]), "the drafts were elsewhere: a test of nothing"
    assert saw["left"] == []

    assets = {
        name: {str(Path(name).parent / asset["href"]): asset["file:size"] for asset in item["assets"].values()}
        for name, item in saw["items"]
    }
    assert sorted(Path(name).stem for name in assets) == ["ONE", "TWO"]
    assert {name: size for all_of in assets.values() for name, size in all_of.items()}.items() <= saw["final"].items()
    for items, sizes in saw["seen"]:
        for name in items:
            assert assets[name].items() <= sizes.items(), f"{name} was there before its assets were complete"


@pytest.mark.parametrize("inside", [".", "output"])
def test_a_disk_that_really_fills_up_leaves_whole_products_and_says_why(folder: Folder, inside: str):
    """A disk of 9 MB, as the output itself or with the output on it: room for the first of seven products.

    And for the second scene's drafts beside it, since two are in the making at a time.
    """
    for number in range(7):
        folder.scene(f"S{number}", red=random_dn((700, 700), seed=number), nir=random_dn((700, 700), seed=number + 9))
    disk, kept, ml = folder.root / "disk", folder.root / "kept", folder.root / "ml"
    disk.mkdir()
    (ml / "output").mkdir(parents=True)
    script = [sys.executable, SCRIPTS / "spectral_index.py", "--input", folder.input, "--output", disk / inside]
    steps = (
        'mount -t tmpfs -o size=9m none "$0" || exit 99; kept=$1; shift; "$@"; code=$?; cp -r "$0" "$kept"; exit $code'
    )
    done = subprocess.run(
        [*UNSHARE, "sh", "-c", steps, disk, kept, *script, "--indices", "NDVI,EVI2"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "SAGEMAKER_BASE_DIR": str(ml)},
    )
    if done.returncode == 99:
        pytest.skip(f"needs mounts in a namespace of its own: {done.stderr.strip()}")
    assert done.returncode == 1, done.stderr
    told = "The instance is unfit: The disk is full: give the job a larger volume.\n"
    assert (ml / "output/message").read_text() == told
    items = list(kept.rglob("S?/S?.json"))
    assert 1 <= len(items) < 7
    for item in items:
        for asset in json.loads(item.read_text())["assets"].values():
            content = (item.parent / asset["href"]).read_bytes()
            assert asset["file:checksum"] == f"1220{hashlib.sha256(content).hexdigest()}"
    assert not [path for path in kept.rglob("*") if path.name.startswith(".") or path.suffix == ".draft"]


@pytest.mark.parametrize(
    ("limit", "value", "told"),
    [
        (resource.RLIMIT_FSIZE, 100_000, "Files may not be as large here as a product is ([Errno 27] "),
        (resource.RLIMIT_NOFILE, 20, "Too few files may be open at a time ([Errno 24] "),
    ],
    ids=["size", "number"],
)
def test_where_files_may_not_be_as_large_or_as_many_the_instance_is_unfit(folder: Folder, limit, value, told):
    """Under a shell's `ulimit`; no scene is recorded as one that the script did not foresee."""
    for number in range(3):
        folder.scene(f"S{number}", red=random_dn((400, 400), seed=number), nir=random_dn((400, 400), seed=number + 9))
    ml = folder.root / "ml"
    (ml / "output").mkdir(parents=True)
    script = [sys.executable, SCRIPTS / "spectral_index.py", "--input", folder.input, "--output", folder.output]
    done = subprocess.run(
        [*script, "--indices", ",".join(f"A{number}=N-{number}*R" for number in range(20))],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "SAGEMAKER_BASE_DIR": str(ml)},
        preexec_fn=lambda: resource.setrlimit(limit, (value, value)),
    )
    assert done.returncode == 1, done.stderr
    assert (ml / "output/message").read_text().startswith(f"The instance is unfit: {told}")
    assert (folder.products(), folder.failures()) == (set(), {})


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The temporary folder, in use since no folder beside the output can be renamed from."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(staging.tempfile, "tempdir", str(temporary))
    monkeypatch.setattr(staging, "_folder_beside", lambda output: None)
    return temporary


def test_without_a_folder_beside_the_output_the_temporary_folder_is_used_and_left_empty(
    folder: Folder, elsewhere: Path
):
    folder.scene("GOOD", red=random_dn((300, 300)), nir=random_dn((300, 300)))
    folder.scene("BAD", red=random_dn((300, 300)))
    folder.run()
    folder.run()
    assert folder.products() == {"GOOD"}
    assert set(folder.failures()) == {"BAD"}
    assert sorted(path.name for path in folder.output.iterdir()) == ["2026", "failures"]
    assert list(elsewhere.iterdir()) == []


def test_a_copy_that_cannot_be_finished_is_taken_away_again(folder: Folder, elsewhere: Path, monkeypatch):
    def full(source, target, length):
        target.write(source.read(1000))
        raise OSError(5, "Input/output error")

    folder.scene("BAD", red=random_dn((300, 300)), nir=random_dn((300, 300)))
    monkeypatch.setattr(shutil, "copyfileobj", full)
    folder.run()
    assert "Input/output error" in folder.failures()["BAD"]["reason"]
    assert [path for path in folder.output.rglob("BAD*") if path.is_file()] == [folder.output / "failures/BAD.json"]


def test_a_copy_does_not_follow_a_link_out_of_the_output(folder: Folder, elsewhere: Path):
    precious = folder.root / "precious"
    precious.write_text("precious")
    folder.output.mkdir()
    with Staging(folder.output) as open_staging:
        for target in ("x.json", "x.tif"):
            (folder.output / target).symlink_to(precious)
        draft = open_staging.scratch() / "draft"
        draft.write_text("new")
        open_staging.place(draft, "x.tif")
        open_staging.place_json({}, "x.json")
    assert precious.read_text() == "precious"
    assert ((folder.output / "x.tif").read_text(), (folder.output / "x.json").read_text()) == ("new", "{}\n")


def test_an_output_that_only_others_may_write_is_an_unfit_instance(folder: Folder, elsewhere: Path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(UnfitInstance, match="can't be written"):
        folder.run()


def test_free_space_is_that_of_the_fuller_disk(folder: Folder, elsewhere: Path, monkeypatch):
    with Staging(folder.output) as open_staging:
        usage = shutil.disk_usage(folder.output)
        monkeypatch.setattr(
            shutil, "disk_usage", lambda path: usage._replace(free=5 if Path(path) == folder.output else 9)
        )
        assert open_staging.free_bytes() == 5
