"""The command line of spectral_index.py: arguments in, exit code out.

| exit code | means |
|---|---|
| 0 | the shard was worked through; scenes that failed are in `failures/` |
| 1 | the instance is unfit: disk full, output not writable, libraries missing |
| 2 | the arguments are wrong |
| 130, 143 | it was stopped (Ctrl-C, SIGTERM); what is in place is complete |

Whatever ends the script early is also written to `/opt/ml/output/message`.
"""

from __future__ import annotations

import argparse
import gc
import os
import platform
import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from spectral import __version__, container
from spectral.failures import MISFITS, UnfitInstance
from spectral.gdal_options import gdal_options
from spectral.progress import Progress

_STOPPED = "Stopped before the shard was worked through; the products in place are complete."


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        container.leave_message(f"Wrong arguments: {message}.")
        super().error(message)


def parser() -> argparse.ArgumentParser:
    """The arguments, each with its default."""
    made = _Parser(
        prog="spectral_index.py",
        description="Spectral indices of satellite scenes: STAC in, COG out.",
        allow_abbrev=False,
    )
    made.add_argument("--input", type=Path, default=container.INPUT, metavar="DIR", help="folder with scenes as JSON")
    made.add_argument("--output", type=Path, default=container.OUTPUT, metavar="DIR", help="folder for the products")
    made.add_argument(
        "--indices",
        required=True,
        metavar="A,B",
        help="names of Awesome Spectral Indices, or your own: MINE=(N-R)/(N+R+0.5)",
    )
    made.add_argument(
        "--constants",
        default="",
        metavar="L=0.25,EVI.L=1",
        help="constants of the formulas, for all indices that have them or for one; default: those of their references",
    )
    made.add_argument(
        "--dtype",
        choices=("auto", "float32"),
        default="auto",
        help="auto: int16 × 0.0001 where it holds the index's values, else float32",
    )
    made.add_argument(
        "--mask",
        default="default",
        help="default (what hides the ground: clouds, their shadows, cirrus, no data), none, or classes by name",
    )
    made.add_argument(
        "--offset", default="auto", help="auto (by the item's metadata), or the offset of the reflectance: -0.1 or 0"
    )
    made.add_argument(
        "--resolution",
        type=float,
        metavar="SIZE",
        help="pixel size in units of the scene's coordinate system (metres, for UTM); default: that of the finest band",
    )
    made.add_argument("--compress", choices=("zstd", "deflate"), default="zstd", help="deflate for old readers")
    made.add_argument("--collection", default=os.environ.get("GEOCADENCE_PIPELINE"), help="id of the collection")
    made.add_argument("--run-id", default=os.environ.get("GEOCADENCE_RUN_ID"), help="names the folder of failures")
    made.add_argument(
        "--area",
        type=Path,
        metavar="FILE",
        help="GeoJSON that products are cut to; an item's own geocadence:area goes first",
    )
    made.add_argument("--threads", type=int, default=_cores(), help="how many blocks at a time")
    made.add_argument(
        "--memory",
        type=int,
        metavar="MB",
        help="about how much to take; default: 256 and 64 a thread, if half of all allows",
    )
    made.add_argument(
        "--check", action="store_true", help="look at the arguments, then end: nothing is read or written"
    )
    return made


def main(arguments: list[str] | None = None) -> int:
    """Run the script; returns the exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    # First of all: what is imported below takes its time, and a container's first process is not ended by a signal
    # that it has no answer to.
    signal.signal(signal.SIGTERM, _stop)
    made = parser()
    given = made.parse_args(_with_negative_offset(arguments))
    if sys.version_info < (3, 10):
        return _unfit(f"Python 3.10 or newer is needed: this is {platform.python_version()}.")
    os.environ.update(gdal_options(os.environ))
    # Nothing here is work for OpenBLAS, whose threads would spin while they wait for some. It looks here when numpy is
    # imported: nothing above may do that.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        with _without_boto3(), _without_collection():
            from rasterio.errors import NotGeoreferencedWarning

            from spectral.options import as_can_be, settings_of
            from spectral.shard import work_through
    except MISFITS as error:
        # Without numpy or rasterio that is what the message says; else it may say anything.
        details = str(error) if isinstance(error, ImportError) else f"{type(error).__name__}: {error}"
        return _unfit(f"numpy and rasterio are needed: {details.rstrip('.')}.")
    try:
        settings = settings_of(given)
    except ValueError as error:
        made.error(str(error))
    if given.check:
        return 0
    # rasterio's own way to keep it still, while it draws an area, does not hold for several threads.
    warnings.simplefilter("ignore", NotGeoreferencedWarning)
    progress = Progress()
    try:
        summary = work_through(
            input_folder=given.input,
            output_folder=given.output,
            settings=as_can_be(settings, progress),
            run_id=given.run_id or None,
            progress=progress,
            facts=_facts(),
        )
    except UnfitInstance as error:
        return _unfit(str(error))
    except KeyboardInterrupt:
        container.leave_message(_STOPPED)
        sys.stderr.write(f"\nspectral_index.py: {_STOPPED}\n")
        return 130
    except Exception as error:
        container.leave_message(f"Unforeseen {type(error).__name__}: {error}")
        raise
    container.leave_message(summary)
    return 0


def _stop(*_: object) -> NoReturn:
    """What a stopped job gets is SIGTERM: by an exception, so that no drafts are left behind."""
    container.leave_message(_STOPPED)
    sys.exit(143)


@contextmanager
def _without_boto3() -> Iterator[None]:
    """rasterio imports it where it can, which takes a third of the whole start, and uses it for paths that begin with
    `s3://`: ours begin with `/vsis3/`, for which GDAL finds credentials by itself.
    """
    hide = "boto3" not in sys.modules
    if hide:
        sys.modules["boto3"] = None
    try:
        yield
    finally:
        if hide:
            del sys.modules["boto3"]


@contextmanager
def _without_collection() -> Iterator[None]:
    """What is imported stays: to look for garbage among it, again and again as it grows, takes a tenth of the whole
    start, and a second time at the end.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if collects:
            gc.enable()


def _cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _with_negative_offset(arguments: list[str]) -> list[str]:
    """`--offset -0.1` as `--offset=-0.1`: argparse takes some negative numbers for options."""
    joined: list[str] = []
    for argument in arguments:
        if joined and joined[-1] == "--offset":
            joined[-1] = f"--offset={argument}"
        else:
            joined.append(argument)
    return joined


def _facts() -> dict:
    import numpy
    import rasterio

    return {
        "geocadence": __version__,
        "python": platform.python_version(),
        "numpy": numpy.__version__,
        "rasterio": rasterio.__version__,
        "gdal": rasterio.__gdal_version__,
        **container.host(),
    }


def _unfit(reason: str) -> int:
    container.leave_message(f"The instance is unfit: {reason}")
    sys.stderr.write(f"spectral_index.py: {reason}\n")
    return 1
