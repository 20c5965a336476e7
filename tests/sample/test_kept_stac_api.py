"""The catalogue beside a local cloud: there as long as the cloud, one a port, in nobody's way."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sample.kept_stac_api import check, keep
from sample.stac_api import StacApiError, serve, url
from tests.sample.test_stac_api import ALL_TIME, ITEMS, found, free_port


@pytest.fixture
def clouds() -> Iterator[Callable[[], subprocess.Popen]]:
    """Makes processes that a server may stand beside."""
    made: list[subprocess.Popen] = []

    def make() -> subprocess.Popen:
        made.append(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]))
        return made[-1]

    yield make
    for each in made:
        each.kill()
        each.wait()


def served(port: int) -> int:
    return len(found(url(port), datetime=ALL_TIME))


def test_it_outlives_its_caller_serves_once_and_ends_with_the_process_beside(tmp_path: Path, clouds):
    cloud, port = clouds(), free_port()
    keep(ITEMS, folder=tmp_path, port=port, beside=cloud.pid)
    begun = (tmp_path / str(port) / "server.json").read_text()
    keep(ITEMS, folder=tmp_path, port=port, beside=cloud.pid)
    assert (tmp_path / str(port) / "server.json").read_text() == begun
    assert served(port) == len(ITEMS)
    # Other Items take the place of the first.
    keep(ITEMS[:2], folder=tmp_path, port=port, beside=cloud.pid)
    assert served(port) == 2
    cloud.kill()  # and is not waited for: only its remains are left
    wait_until_free(port)


def test_two_ports_have_a_server_each(tmp_path: Path, clouds):
    cloud, first, second = clouds(), free_port(), free_port()
    keep(ITEMS, folder=tmp_path, port=first, beside=cloud.pid)
    keep(ITEMS[:2], folder=tmp_path, port=second, beside=cloud.pid)
    assert (served(first), served(second)) == (len(ITEMS), 2)
    cloud.kill()
    wait_until_free(first)
    wait_until_free(second)


def test_another_clouds_server_is_told_at_once_and_left_alone(tmp_path: Path, clouds, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sample.stac_api._GRACE", 0.1)
    theirs, port = clouds(), free_port()
    keep(ITEMS, folder=tmp_path / "theirs", port=port, beside=theirs.pid)
    for attempt in (
        lambda: check(tmp_path / "ours", port=port),
        lambda: keep(ITEMS[:2], folder=tmp_path / "ours", port=port, beside=clouds().pid),
    ):
        with pytest.raises(StacApiError, match=rf"port {port} .* process \d+ \(.*rustac.*{tmp_path}/theirs"):
            attempt()
    assert not (tmp_path / "ours").exists()
    assert served(port) == len(ITEMS)
    theirs.kill()
    wait_until_free(port)


def test_a_free_port_and_a_port_of_its_own_pass_the_check(tmp_path: Path, clouds):
    cloud, port = clouds(), free_port()
    check(tmp_path, port=port)
    keep(ITEMS, folder=tmp_path, port=port, beside=cloud.pid)
    check(tmp_path, port=port)
    cloud.kill()
    # Its cloud is gone and it is about to go: whoever starts a new cloud now is not turned away.
    check(tmp_path, port=port)
    wait_until_free(port)


def test_a_server_that_ends_with_its_cloud_is_not_taken_for_the_next_clouds(tmp_path: Path, clouds):
    port, old, new = free_port(), clouds(), clouds()
    keep(ITEMS, folder=tmp_path, port=port, beside=old.pid)
    old.kill()
    old.wait()
    keep(ITEMS, folder=tmp_path, port=port, beside=new.pid)
    time.sleep(2)  # a server beside the old one would be gone by now: it looks once a second
    assert served(port) == len(ITEMS)
    new.kill()
    wait_until_free(port)


def test_a_server_that_was_not_kept_ends_the_check_with_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sample.stac_api._GRACE", 0.1)
    port = free_port()
    with serve(ITEMS, folder=tmp_path / "other", port=port), pytest.raises(StacApiError, match="rustac serve"):
        check(tmp_path, port=port)


def wait_until_free(port: int) -> None:
    deadline = time.monotonic() + 10
    while is_answered(port):
        assert time.monotonic() < deadline, "the server outlived the process beside it"
        time.sleep(0.1)


def is_answered(port: int) -> bool:
    with socket.socket() as attempt:
        return attempt.connect_ex(("127.0.0.1", port)) == 0
