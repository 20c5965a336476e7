"""What a job starts: lays out the script and the libraries that travel with it, says what it found, runs the script.

An archive holds this file, `start.json`, the script's files below `script/`, and libraries as zips. Nothing here
is the script's business: it runs as `python3 script.py` would run it, from a folder on disk, under its own arguments.

`start.json`: `{"entry": "main.py", "libraries": [{"name", "required", "packages", "machine", "glibc": [2, 28],
"zips": {"3.10": "libraries/….zip"}}], "files": {"/opt/ml/processing/areas": "parishes.geojson"}}`. Libraries that are
required and don't fit this container end the job; others cost a line of log, and are left where they are if the
container has the same packages. `files`: what the file in an input's folder is called. `products`, of a script that
leaves files without STAC Items: `{"script": "ndvi.py", "digest": "…", "input": "/opt/ml/processing/input_data",
"output": "/opt/ml/processing/output_data"}`; then `products/` holds the program that makes products of them when the
script has ended well.

One file, since modules of its own would stand beside the script's, which runs in this process, and in their way. Needs
nothing but the standard library of Python 3.8 or newer. What comes before it says of an older one that it is too
old must be read by Python 3.6, and so must the whole file's syntax.
"""

import atexit
import contextlib
import functools
import importlib
import json
import os
import platform
import runpy
import shutil
import subprocess
import sys
import tempfile
import types
import zipfile
from datetime import datetime, timezone
from pathlib import Path

if sys.version_info >= (3, 8):
    import importlib.metadata

# Where no /opt/ml can be, this variable of AWS's own toolkits names the folder in its place.
ROOT = Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
LIBRARIES = ("numpy", "rasterio", "rioxarray", "xarray", "pandas", "geopandas", "shapely", "boto3")
# The oldest that the scripts of this project run under, and why not older.
OLDEST = {
    "python": ("3.10", "scripts are written for it"),
    "numpy": ("1.21", "it is the first for Python 3.10"),
    "rasterio": ("1.3", "it is the first of those made for Python 3.10 and GDAL 3.5"),
    "gdal": ("3.1", "older ones write no Cloud-Optimized GeoTIFF"),
}
# How long the script may be kept waiting for GDAL's version.
PATIENCE = 60


class Unusable(Exception):
    """The libraries that the script needs can't be had here."""


def main():
    if sys.version_info < (3, 8):
        here = ".".join(map(str, sys.version_info[:3]))
        return refuse(
            f"This image's Python is {here}, which is too old: jobs start under 3.8 or newer, and Geocadence's own "
            f"scripts under {OLDEST['python'][0]} (take another image: processing.image)."
        )
    archive = Path(__file__).resolve().parent
    place = tempfile.mkdtemp(prefix="job-")
    at_the_end(os.getpid(), shutil.rmtree, place, True)
    with zipfile.ZipFile(archive) as packed:
        start = json.loads(packed.read("start.json"))
        lay_out(packed, Path(place), below=("script/", "products/"))
        try:
            for libraries in start["libraries"]:
                add(libraries, packed, Path(place))
        except Unusable as error:
            return refuse(str(error))
    for folder, name in start.get("files", {}).items():
        give_name(in_container(folder), name)
    try:
        report(archive)
    except Exception as error:  # noqa: BLE001  (packages may say anything of themselves; a line of log is worth no job)
        say("job", level="warning", reason=f"what is here can't be told: {type(error).__name__}: {error}")
    lack = lacking_for_products() if start.get("products") else ""
    if lack:
        return refuse(f"Products of files (processing.products) need {lack}.")
    log = Log()
    # Whoever watches the log knows by this line that what remains is the upload.
    at_the_end(os.getpid(), log.say, "ended")
    ended = Ended()
    if start.get("products"):
        # What the script changes in its environment and its input is its own business.
        scenes = keep(in_container(start["products"]["input"]), Path(place, "scenes"))
        at_the_end(os.getpid(), make_products, ended, start["products"], Path(place), scenes, dict(os.environ), log)
    run(Path(place, "script", start["entry"]), ended)
    return 0


class Ended:
    """How the script ended; `well` is with 0, by its last line or its own exit."""

    well = False


class Log:
    """The job's log as it was before the script, which may close its own, or give its number to a file.

    Python's own standard error is not touched once the script has run: what could not be written to it would end
    Python with 120, whatever the script ended with.
    """

    def __init__(self):
        self.descriptor = os.dup(2)
        self.file = self.identity()

    def identity(self):
        """What the descriptor leads to; None where it is closed."""
        try:
            told = os.fstat(self.descriptor)
        except OSError:
            return None
        return told.st_dev, told.st_ino

    def is_open(self):
        return self.file is not None and self.identity() == self.file

    def say(self, event):
        if self.is_open():
            with contextlib.suppress(OSError):
                os.write(self.descriptor, line(event).encode("utf-8"))


def in_container(folder):
    """A folder of the container, or what stands for it here."""
    return ROOT / Path(folder).relative_to("/opt/ml")


def keep(folder, copy):
    """A copy of what lies in `folder`, which is not there where this instance was given nothing."""
    copy.mkdir()
    if folder.is_dir():
        shutil.copytree(str(folder), str(copy), dirs_exist_ok=True)
    return copy


def make_products(ended, told, place, scenes, environment, log):
    """Make products of the files that the script left for `scenes`; without them the job fails."""
    if not ended.well:
        return
    program = place / "products" / "_catalogue_files.py"
    command = [sys.executable, str(program), "--script", told["script"], "--digest", told["digest"]]
    command += ["--input", str(scenes), "--output", str(in_container(told["output"]))]
    stderr = log.descriptor if log.is_open() else subprocess.DEVNULL
    code = 1
    try:
        code = subprocess.run(command, cwd=str(place), env=environment, stderr=stderr, check=False).returncode
    finally:
        if code:
            # Python's own end would be with the script's 0.
            log.say("ended")
            shutil.rmtree(place, True)
            with contextlib.suppress(Exception):  # a script may have closed it, or put anything in its place
                sys.stdout.flush()
            os._exit(1)


def lacking_for_products():
    """What is missing here to make products of files, and what to do; "" where nothing is.

    Asked before the script runs: afterwards its work would be lost.
    """
    if sys.version_info < (3, 10):
        return f"Python 3.10 or newer, this image's is {platform.python_version()}: take another image"
    if not is_installed("rasterio"):
        return "rasterio, which is not in this image: name it in a file of processing.requirements"
    _, reason = rasterios_gdal()
    if reason:
        return (
            f"rasterio, which does not load here ({reason}): libraries of processing.requirements may not go together "
            "with the image's; name those that the image has under processing.provided"
        )
    return ""


def lay_out(packed, place, below=""):
    """The files as they were; zipfile itself leaves out which of them are programs."""
    for entry in packed.infolist():
        if entry.filename.startswith(below):
            path = Path(packed.extract(entry, place))
            path.chmod(path.stat().st_mode | (entry.external_attr >> 16) & 0o111)


def give_name(folder, name):
    """Call the one file in `folder` as the definition does: it was deployed under its digest."""
    try:
        (file,) = folder.iterdir()
        file.rename(folder / name)
    except (OSError, ValueError) as error:
        say("file", level="warning", folder=str(folder), name=name, reason=f"it keeps its name: {error}")


def at_the_end(process, function, *arguments):
    """Call `function` when Python ends in `process`, not in one that it forked.

    That is after the script's threads, which may go on behind its last line, and after its own exit handlers.
    """
    atexit.register(lambda: function(*arguments) if os.getpid() == process else None)


def run(entry, ended):
    """Run the script as `python3 entry` would; `ended` is told how it ended.

    Not by runpy, which takes the script's module away when its last line is done, from under the threads it started,
    and adds its own frames to every traceback.
    """
    sys.argv[0], sys.path[0] = str(entry), str(entry.parent)
    sys.excepthook = show_without_launcher
    module = types.ModuleType("__main__")
    module.__dict__.update(__file__=str(entry), __builtins__=__builtins__)
    sys.modules["__main__"] = module
    try:
        exec(compile(entry.read_bytes(), str(entry), "exec", dont_inherit=True), module.__dict__)  # noqa: S102
        ended.well = True
    except SystemExit as error:
        ended.well = error.code in (None, 0)
        raise


def show_without_launcher(kind, error, trace):
    """A traceback that begins in the script."""
    while trace is not None and trace.tb_frame.f_code.co_filename in (__file__, "<frozen runpy>", runpy.__file__):
        trace = trace.tb_next
    sys.__excepthook__(kind, error.with_traceback(trace), trace)


def add(libraries, packed, place):
    """Put `libraries` before everything that the container has; raises Unusable if they are required and don't fit."""
    name = libraries["name"]
    if not libraries["required"] and all(map(is_installed, libraries["packages"])):
        say("libraries", name=name, used=False, reason="the container has its own")
        return
    try:
        chosen = fitting(libraries)
        folder = place / "libraries" / Path(chosen).stem
        packed.extract(chosen, place)
        with zipfile.ZipFile(place / chosen) as inner:
            lay_out(inner, folder)
        (place / chosen).unlink()
        standard = take_out_standard(folder)
        sys.path.insert(1, str(folder))
        if not libraries["required"]:
            load(folder)
    except (Unusable, ImportError, OSError) as error:
        if libraries["required"]:
            raise Unusable(f"The libraries of {name} can't be used: {error}.") from error
        say("libraries", level="warning", name=name, used=False, reason=str(error))
        return
    # For processes that the script starts.
    put_first("PYTHONPATH", folder)
    if (folder / "bin").is_dir():
        put_first("PATH", folder / "bin", os.defpath)
    say("libraries", name=name, used=True, **({"without": standard} if standard else {}))


def take_out_standard(folder):
    """Take modules out of `folder` that Python has itself, and say which.

    Where pip installs, Python's own go first, so that `typing` or `pathlib` among the requirements does no harm; what
    lies here goes before everything, and a backport made for another Python would break whatever imports it.
    """
    own = getattr(sys, "stdlib_module_names", ())  # of 3.10 and newer
    found = [path for path in sorted(folder.iterdir()) if path.name.split(".")[0] in own]
    for path in found:
        if path.is_dir():
            shutil.rmtree(str(path))
        else:
            path.unlink()
    return [path.name for path in found]


def put_first(variable, folder, default=""):
    """Have `folder` looked into before whatever else the environment's `variable` lists."""
    listed = os.environ.get(variable, default).split(os.pathsep)
    os.environ[variable] = os.pathsep.join([str(folder)] + [part for part in listed if part])


def is_installed(package):
    """Whether the container has `package`, in whatever version."""
    try:
        importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def fitting(libraries):
    """The zip for this Python; raises Unusable with the reason where there is none."""
    here = ".".join(map(str, sys.version_info[:2]))
    zips, machine = libraries["zips"], libraries["machine"]
    if (sys.platform, platform.machine()) != ("linux", machine):
        raise Unusable(f"they are for Linux on {machine}, this is {sys.platform} on {platform.machine()}")
    if here not in zips:
        there = " and ".join(sorted(zips, key=number))
        raise Unusable(f"they travel for Python {there}, this container's is {here} (name it under processing.python)")
    kind, version = platform.libc_ver()
    if kind == "glibc" and number(version) < tuple(libraries["glibc"]):
        needed = ".".join(map(str, libraries["glibc"]))
        raise Unusable(f"they need glibc {needed} or newer, this container's is {version}")
    return zips[here]


def load(folder):
    """Import what lies in `folder`, so that what does not load is not in the way of what the container has."""
    try:
        for path in sorted(folder.iterdir()):
            module = path.name.split(".")[0]
            is_module = path.is_dir() and "." not in path.name and (path / "__init__.py").is_file()
            if is_module or path.suffix in (".py", ".so"):
                importlib.import_module(module)
    except Exception as error:  # a broken library may raise anything while it loads
        sys.path.remove(str(folder))
        for name, module in list(sys.modules.items()):
            if str(getattr(module, "__file__", None) or "").startswith(str(folder)):
                del sys.modules[name]
        raise ImportError(f"{type(error).__name__}: {error}") from error


def report(archive):
    """Say what the container holds and what this instance was given, and which library is too old."""
    versions = found_versions()
    say("job", **host(), versions=versions, inputs=shard(archive))
    for name, (needed, reason) in OLDEST.items():
        if name in versions and number(versions[name]) < number(needed):
            say("too old", level="warning", library=name, found=versions[name], needed=needed, reason=reason)


def found_versions():
    """Versions by name; libraries are looked up, not imported: what a script sets before importing them counts."""
    versions = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    if "rasterio" in versions:
        gdal, reason = rasterios_gdal()
        if gdal:
            versions["gdal"] = gdal
        else:
            say("rasterio", level="warning", reason=f"it does not load: {reason}")
    return versions


@functools.lru_cache(maxsize=None)
def rasterios_gdal():
    """The version of the GDAL that rasterio has, and "" or why it does not load; by a process of its own, once."""
    command = [sys.executable, "-c", "import rasterio; print(rasterio.__gdal_version__)"]
    try:
        told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=PATIENCE)
        return told.stdout.strip(), ""
    except (OSError, subprocess.SubprocessError) as error:
        lines = str(getattr(error, "stderr", None) or error).strip().splitlines()
        return "", lines[-1] if lines else type(error).__name__


def host():
    """`host` and `hosts`, or nothing outside of a job."""
    try:
        config = json.loads((ROOT / "config" / "resourceconfig.json").read_text(encoding="utf-8"))
        return {"host": config["current_host"], "hosts": len(config["hosts"])}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def shard(archive):
    """By input `{"files": n, "bytes": n}`: what this instance got of it. The script's own input is left out."""
    try:
        config = json.loads((ROOT / "config" / "processingjobconfig.json").read_text(encoding="utf-8"))
        given = {each["InputName"]: each.get("S3Input") or {} for each in config["ProcessingInputs"]}
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    found = {}
    for name, s3 in given.items():
        path = s3.get("LocalPath")
        if path and Path(path).resolve() != archive.parent:
            below = (Path(parent, name) for parent, _, names in os.walk(path) for name in names)
            sizes = [file.stat().st_size for file in below]
            found[name] = {"files": len(sizes), "bytes": sum(sizes)}
    return found


def number(version):
    """`3.10.2` as (3, 10, 2); what follows the numbers is left out."""
    parts = []
    for part in version.split("."):
        digits = ""
        for character in part:
            if not character.isdigit():
                break
            digits += character
        if not digits:
            break
        parts.append(int(digits))
    return tuple(parts)


def refuse(reason):
    """End the job with `reason` where people look: the log, and the job's ExitMessage."""
    sys.stderr.write(reason + "\n")
    try:
        if (ROOT / "output").is_dir():
            (ROOT / "output" / "message").write_text(reason, encoding="utf-8")
    except OSError as error:
        sys.stderr.write(f"The message could not be left: {error}\n")
    return 1


def say(event, level="info", **facts):
    """One JSON line to the log, before the script runs."""
    sys.stderr.write(line(event, level=level, **facts))
    sys.stderr.flush()


def line(event, level="info", **facts):
    """A line of the log, in the manner of the built-in script's."""
    moment = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
    return json.dumps({"time": moment, "level": level, "event": event, **facts}, default=str) + "\n"


if __name__ == "__main__":
    sys.exit(main())
