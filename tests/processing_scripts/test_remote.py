"""Scenes over the network: what passes is retried, what stays is recorded."""

from __future__ import annotations

import contextlib
import io
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote, unquote

import pytest
from spectral.failures import TransientFailure
from spectral.gdal_options import gdal_options
from spectral.http_client import HttpClient, NoRanges, Ranged
from spectral.remote import Fetcher, RemoteFile

from tests.processing_scripts.factory import SCRIPTS, Folder, random_dn

CONTAINER = SCRIPTS.parent / ".local/container/bin/python"
SIGNED = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


class Server(ThreadingHTTPServer):
    """Serves files with ranges; answers the first requests for a path with errors where told to."""

    def __init__(self, root: Path) -> None:
        super().__init__(("127.0.0.1", 0), partial(Handler))
        self.root = root
        self.errors: dict[str, list[int]] = {}
        self.requests = 0
        self.spans: list[tuple[str, int, int]] = []
        self.has_ranges = True
        self.hangs_up = False
        self.redirects: dict[str, str] = {}
        self.payer: str | None = None  # who has to say that they pay, in the name of S3's header

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        self.server.requests += 1
        waiting = self.server.errors.get(self.path, [])
        path = self.server.root / unquote(self.path).lstrip("/")
        if location := self.server.redirects.get(self.path):
            self.send_response(302)
            self.send_header("Location", location)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if self.server.payer not in (None, self.headers.get("x-amz-request-payer")):
            content, status = b"", 403
        elif waiting or not path.is_file():
            content, status = b"", waiting.pop(0) if waiting else 404
        else:
            content, status = path.read_bytes(), 200
        size = len(content)
        span = self.headers.get("Range") if self.server.has_ranges else None
        self.send_response(206 if span and status == 200 else status)
        if span and status == 200:
            first, last = span.removeprefix("bytes=").split("-")
            last = min(int(last or size), size - 1)
            content = content[int(first) : last + 1]
            self.server.spans.append((self.path, int(first), last))
            self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body:
            self.wfile.write(content)
        # Without a word: the client believes that the connection is still there.
        self.close_connection = self.server.hangs_up


@pytest.fixture
def server(folder: Folder, monkeypatch) -> Iterator[Server]:
    # GDAL's own retries would hide the script's.
    for name, value in {**gdal_options({}), "GDAL_HTTP_MAX_RETRY": "0"}.items():
        monkeypatch.setenv(name, value)
    with Server(folder.root / "imagery") as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


@pytest.fixture
def remote(folder: Folder, server: Server) -> Folder:
    """A scene whose assets are behind the server."""
    item = folder.scene("FAR", red=random_dn((300, 300), seed=1), nir=random_dn((300, 300), seed=2), add=False)
    for key, asset in item["assets"].items():
        asset["href"] = f"{server.url}/FAR/{key}.tif"
    folder.add(item)
    return folder


def test_a_remote_scene_is_read(remote: Folder):
    remote.run()
    assert remote.products() == {"FAR"}


def test_far_and_near_make_the_same_product(remote: Folder, server: Server):
    remote.run()
    far = remote.product("FAR").read_bytes()
    remote.scene("FAR", red=random_dn((300, 300), seed=1), nir=random_dn((300, 300), seed=2))
    remote.run()
    assert remote.product("FAR").read_bytes() == far


def test_far_and_near_make_the_same_product_on_a_coarser_grid(folder: Folder, server: Server):
    """Several reads a block, over several blocks; every tile is fetched once all the same."""
    near = folder.scene("FAR", red=random_dn((2300, 2100), seed=1), nir=random_dn((2300, 2100), seed=2))
    folder.run(resolution=20.0)
    content = folder.product("FAR").read_bytes()
    for key, asset in near["assets"].items():
        asset["href"] = f"{server.url}/FAR/{key}.tif"
    folder.add(near)
    folder.run(resolution=20.0)
    assert folder.failures() == {}
    assert folder.product("FAR").read_bytes() == content
    size = sum((folder.root / f"imagery/FAR/{key}.tif").stat().st_size for key in ("red", "nir"))
    fetched = sum(last - first + 1 for _, first, last in server.spans)
    assert fetched < size + 4 * (1 << 16)  # the headers beside


def test_neighbouring_tiles_come_by_one_request(remote: Folder, server: Server):
    """Four tiles of 256 a band lie side by side: one look at the file, one request."""
    remote.run()
    assert server.requests == 4
    assert sorted(path for path, _, _ in server.spans) == ["/FAR/nir.tif"] * 2 + ["/FAR/red.tif"] * 2


def test_a_server_that_closes_idle_connections_costs_no_attempt(remote: Folder, server: Server):
    server.hangs_up = True
    log = io.StringIO()
    remote.run(stream=log)
    assert remote.products() == {"FAR"}
    assert "retry" not in log.getvalue()


def test_a_server_without_ranges_is_left_to_gdal(remote: Folder, server: Server):
    server.has_ranges = False
    remote.run()
    assert remote.products() == {"FAR"}


def test_redirections_are_followed(remote: Folder, server: Server):
    (remote.root / "imagery/FAR/red.tif").rename(remote.root / "imagery/FAR/moved.tif")
    server.redirects = {"/FAR/red.tif": f"{server.url}/FAR/further.tif", "/FAR/further.tif": "moved.tif"}
    remote.run()
    assert remote.products() == {"FAR"}


@pytest.mark.parametrize(
    ("location", "why"),
    [
        ("/FAR/red.tif", "redirected more than 5 times"),
        *((location, "which is no HTTP address") for location in
          ("file:///etc/passwd", "ftp://127.0.0.1/x.tif", "http://[::1/x.tif", "http://a..b/x.tif")),
    ],
)  # fmt: skip
def test_a_redirection_that_leads_nowhere_is_the_inputs_fault(remote: Folder, server: Server, location, why):
    server.redirects = {"/FAR/red.tif": location}
    remote.run()
    assert remote.failures()["FAR"]["class"] == "input"
    assert why in remote.failures()["FAR"]["reason"]


def test_a_redirection_to_where_only_gdal_may_ask_is_gdals(remote: Folder, server: Server, tmp_path, monkeypatch):
    """From within a company to a store behind its proxy, or to a host with a login: it was refused without them."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".netrc").write_text("machine localhost login me password secret\n")
    server.redirects = {"/FAR/red.tif": f"http://localhost:{server.server_port}/FAR/nir.tif"}
    client = HttpClient({})
    with pytest.raises(NoRanges):
        client.get(f"{server.url}/FAR/red.tif", 0, 10)
    client.close()
    remote.run()
    assert remote.products() == {"FAR"}


@pytest.mark.parametrize("written", [str, quote], ids=["as it is", "escaped"])
def test_names_that_are_not_ascii_are_read(remote: Folder, server: Server, written):
    (remote.root / "imagery/FAR/red.tif").rename(remote.root / "imagery/FAR/größe_1.tif")
    item = json.loads((remote.input / "FAR.json").read_text())
    item["assets"]["red"]["href"] = f"{server.url}/FAR/{written('größe_1.tif')}"
    remote.add(item)
    remote.run()
    assert remote.failures() == {}
    assert remote.products() == {"FAR"}


@pytest.mark.parametrize("environment", [{}, {"AWS_REQUEST_PAYER": "requester"}], ids=["unsaid", "said"])
def test_buckets_whose_requester_pays_are_read_where_the_environment_says_so(
    folder: Folder, server: Server, environment: dict[str, str]
):
    """By spectral_index; and by a script of others, with the libraries of the container, boto3 among them."""
    server.payer = "requester"
    item = folder.scene("FAR", red=random_dn((300, 300), seed=1), nir=random_dn((300, 300), seed=2), add=False)
    for key, asset in item["assets"].items():
        asset["href"] = f"s3://FAR/{key}.tif"
    folder.add(item)
    environment = os.environ | environment | {"AWS_ENDPOINT_URL": server.url} | dict.fromkeys(SIGNED, "x")
    folders = ["--input", folder.input, "--output", folder.output]
    script = [sys.executable, SCRIPTS / "spectral_index.py", "--indices", "NDVI", *folders]
    subprocess.run(script, env=environment, capture_output=True, check=True)
    assert folder.products() == ({"FAR"} if "AWS_REQUEST_PAYER" in environment else set())

    options = gdal_options(environment)
    code = "import boto3, rioxarray; rioxarray.open_rasterio('s3://FAR/red.tif').load()"
    other = subprocess.run([CONTAINER, "-c", code], env=environment | options, capture_output=True, check=False)
    assert (other.returncode == 0) == ("AWS_REQUEST_PAYER" in environment), other.stderr


LANDSAT = "LC08_L2SP_204033_20230612_20230614_02_T1"


def test_landsats_items_are_read_where_a_program_can(folder: Folder, server: Server):
    """USGS's, as they are: hrefs lead to a page where people log in, alternates to a bucket whose requester pays."""
    server.payer = "requester"
    server.root.mkdir()
    (server.root / "login").write_text("<html>Sign in</html>")
    keys = {"red": "SR_B4", "nir08": "SR_B5", "qa_pixel": "QA_PIXEL"}
    item = folder.scene(LANDSAT, **{key: random_dn((60, 50), low=7300, high=20_000) for key in keys}, add=False)
    for key, asset in item["assets"].items():
        path = f"collection02/level-2/{LANDSAT}/{LANDSAT}_{keys[key]}.TIF"
        (server.root / f"usgs-landsat/{path}").parent.mkdir(parents=True, exist_ok=True)
        Path(asset["href"]).rename(server.root / f"usgs-landsat/{path}")
        asset["href"] = f"{server.url}/data/{path}"
        asset["alternate"] = {
            "s3": {"storage:platform": "AWS", "storage:requester_pays": True, "href": f"s3://usgs-landsat/{path}"}
        }
        server.redirects[f"/data/{path}"] = "/login"
    folder.add(item)
    paying = {"AWS_REQUEST_PAYER": "requester", "AWS_ENDPOINT_URL": server.url} | dict.fromkeys(SIGNED, "x")
    folders = ["--input", folder.input, "--output", folder.output]
    script = [sys.executable, SCRIPTS / "spectral_index.py", "--indices", "NDVI", "--mask", "none", *folders]
    done = subprocess.run(script, env=os.environ | paying, capture_output=True, text=True, check=True)
    assert folder.products() == {LANDSAT}, done.stderr
    assert folder.item(LANDSAT)["properties"]["geocadence:offset"]["value"] == -0.2


@pytest.mark.parametrize(
    ("first", "second", "kind"),
    [
        ("/nowhere/red.tif", "/nowhere/too.tif", "input"),
        ("http://127.0.0.1:9/red.tif", "/nowhere/too.tif", "transient"),
        ("/nowhere/red.tif", "http://127.0.0.1:9/red.tif", "transient"),
    ],
)
def test_an_asset_that_is_nowhere_to_be_had_says_what_was_tried(folder: Folder, server: Server, first, second, kind):
    item = folder.scene("BAD", red=random_dn((9, 9)), nir=random_dn((9, 9)), add=False)
    item["assets"]["red"] = {"href": first, "alternate": {"s3": {"href": second}, "odd": 5}}
    folder.add(item)
    folder.run()
    failure = folder.failures()["BAD"]
    assert failure["class"] == kind
    assert failure["reason"].startswith(f"Asset red ({first}) can't be opened: ")
    assert f" Its alternate: Asset red ({second}) can't be opened: " in failure["reason"]


def test_an_alternate_is_read_where_the_href_fails_for_a_moment_too(remote: Folder, server: Server):
    item = json.loads((remote.input / "FAR.json").read_text())
    red = item["assets"]["red"]
    item["assets"]["red"] = {"href": "http://127.0.0.1:9/red.tif", "alternate": {"mirror": {"href": red["href"]}}}
    remote.add(item)
    log = io.StringIO()
    remote.run(stream=log)
    assert remote.products() == {"FAR"}
    assert "retry" not in log.getvalue()


def test_a_truncated_far_file_is_the_inputs_fault(remote: Folder, server: Server):
    path = server.root / "FAR/nir.tif"
    path.write_bytes(path.read_bytes()[:-1000])
    remote.run()
    failure = remote.failures()["FAR"]
    assert failure["class"] == "input"
    assert "truncated" in failure["reason"]


def test_a_far_file_that_is_no_raster_is_the_inputs_fault(remote: Folder, server: Server):
    (server.root / "FAR/nir.tif").write_bytes(b"<html>" * 1000)
    remote.run()
    assert remote.failures()["FAR"]["class"] == "input"


TILE = 3_000_000  # bytes; two neighbours are too much for one request


class Client:
    """Knows only files of zeros."""

    def __init__(self, before: Callable[[], object] = lambda: None) -> None:
        self.asked: list[int] = []
        self._before = before

    def get(self, url: str, start: int, size: int) -> Ranged:
        self.asked.append(start)
        self._before()
        return Ranged(bytes(size), 10**9)

    def close(self) -> None:
        pass


@contextlib.contextmanager
def fetched(client: Client, *, tiles: int, memory: int) -> Iterator[RemoteFile]:
    """A far file of which so many tiles are planned, one a turn."""
    with contextlib.closing(Fetcher(client)) as fetcher:
        file = RemoteFile("https://example.com/x.tif", "Asset red", fetcher)
        file.plan([(turn, turn * TILE, TILE) for turn in range(tiles)], memory=memory)
        yield file


def test_only_so_much_is_fetched_ahead():
    """40 tiles of 3 MB, 10 MB of memory: not before tiles are used are further ones asked for."""
    client = Client()
    with fetched(client, tiles=40, memory=10_000_000) as file:
        assert len(file.read(0, TILE)) == TILE
        assert max(client.asked) <= 4 * TILE
        for turn in range(40):
            file.reached(turn)
            assert len(file._waiting) >= 40 - turn - 5


def test_sixteen_requests_are_on_their_way_at_a_time():
    """What a distant server takes to answer is waited for once, not tile by tile."""
    together = threading.Barrier(16, timeout=20)
    with fetched(Client(together.wait), tiles=16, memory=16 * TILE) as file:
        assert len(file.read(0, TILE)) == TILE


def test_settings_that_only_gdal_knows_leave_the_asking_to_gdal(monkeypatch):
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    assert HttpClient({}).can_ask("http://example.com/x.tif")
    assert not HttpClient({}).can_ask("http://name:password@example.com/x.tif")
    assert not HttpClient({"GDAL_HTTP_BEARER": "x"}).can_ask("http://example.com/x.tif")
    assert not HttpClient({"GDAL_HTTP_HEADERS": "x: y"}).can_ask("http://example.com/x.tif")
    assert not HttpClient({"GDAL_HTTP_NETRC_FILE": "/home/me/earthdata"}).can_ask("http://example.com/x.tif")
    assert not HttpClient({"GDAL_HTTP_COOKIEJAR": "cookies.txt"}).can_ask("http://example.com/x.tif")
    assert not HttpClient({"VSICURL_PC_URL_SIGNING": "YES"}).can_ask("http://example.com/x.tif")
    monkeypatch.setenv("http_proxy", "http://proxy:3128")
    assert not HttpClient({}).can_ask("http://example.com/x.tif")


@pytest.mark.parametrize(
    ("content", "asked"),
    [
        ("machine example.com login me password secret\n", [False, True]),
        ("machine example.com login me password secret\ndefault login you password none\n", [False, False]),
        ("no such thing\n", [True, True]),
    ],
)
def test_hosts_for_which_home_has_a_login_are_gdals(tmp_path, monkeypatch, content, asked):
    """It reads ~/.netrc unless told otherwise; what it would have opened was refused with 401."""
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".netrc").write_text(content)
    client = HttpClient({})
    assert [client.can_ask(f"http://{host}/x.tif") for host in ("example.com", "example.org")] == asked


@pytest.mark.parametrize("status", [500, 503, 429])
def test_what_fails_for_a_moment_is_tried_again(remote: Folder, server: Server, status):
    server.errors["/FAR/nir.tif"] = [status] * 2
    remote.run()
    assert remote.failures() == {}
    assert remote.products() == {"FAR"}


@pytest.mark.parametrize("status", [500, 503])
def test_what_fails_for_a_moment_for_gdal_is_tried_again_too(remote: Folder, server: Server, monkeypatch, status):
    """It remembers what it did not find, unless told otherwise: the scene's further attempts would fail unasked."""
    monkeypatch.setenv("GDAL_HTTP_USERAGENT", "mine")  # leaves the asking to GDAL
    server.errors["/FAR/nir.tif"] = [status] * 2
    remote.run()
    assert remote.failures() == {}
    assert remote.products() == {"FAR"}


def test_what_keeps_failing_is_recorded_as_transient(remote: Folder, server: Server):
    server.errors["/FAR/nir.tif"] = [503] * 1000
    remote.run()
    assert remote.failures()["FAR"]["class"] == "transient"
    assert server.requests < 60


@pytest.mark.parametrize("asks", ["ours", "gdal"])
def test_what_has_to_be_signed_is_the_inputs_fault_at_once(remote: Folder, server: Server, monkeypatch, asks):
    """Planetary Computer's hrefs as they are: https://github.com/microsoft/PlanetaryComputer/issues/426."""
    if asks == "gdal":
        monkeypatch.setenv("GDAL_HTTP_USERAGENT", "mine")
    server.errors["/FAR/nir.tif"] = [409] * 1000
    remote.run()
    assert remote.failures()["FAR"]["class"] == "input"
    assert server.requests < 20


def test_what_is_not_there_is_the_inputs_fault_at_once(remote: Folder, server: Server):
    (server.root / "FAR/nir.tif").unlink()
    remote.run()
    assert remote.failures()["FAR"]["class"] == "input"
    assert server.requests < 20


@pytest.mark.parametrize(
    ("details", "kind"),
    [
        ("HTTP response code: 404", "input"),
        ("HTTP response code on https://example.com/1/red.tif: 403", "input"),
        ("HTTP response code: 409", "input"),
        ("Access Denied", "input"),
        ("The specified key does not exist.", "input"),
        ("HTTP response code on https://example.com/404/red.tif: 503", "transient"),
        ("CURL error: Connection timed out after 20001 milliseconds", "transient"),
        ("TIFFReadEncodedTile() failed.", "transient"),
        ("x.tif: TIFFReadDirectory:IO error during reading of BitsPerSample", "transient"),
        ("x.tif: Cannot open TIFF file due to missing codec of code 34887.", "input"),
    ],
)
def test_what_gdal_says_decides_whether_to_try_again(details, kind):
    from spectral.failures import failure_class
    from spectral.reading import failure_of

    failure = failure_of("/vsicurl/https://example.com/404/red.tif", "Asset red", "read", OSError(details))
    assert failure_class(failure) == kind


@pytest.mark.parametrize(
    ("deepest", "kind"),
    [
        ("ZIPDecode:Decoding error at scanline 1792", "input"),
        ("TIFFFillTile:Read error at row 2048, col 2048, tile 93; got 0 bytes, expected 114753", "transient"),
    ],
)
def test_what_gdal_said_first_decides_too_and_is_told(deepest, kind):
    """Its last words are the same for a damaged tile and for one that did not come."""
    from spectral.failures import failure_class
    from spectral.reading import failure_of

    last = OSError("x.tif, band 1: IReadBlock failed at X offset 7, Y offset 7: TIFFReadEncodedTile() failed.")
    last.__cause__ = OSError("TIFFReadEncodedTile() failed.")
    last.__cause__.__cause__ = OSError(deepest)
    error = OSError("Read failed. See previous exception for details.")
    error.__cause__ = last
    failure = failure_of("/vsis3/bucket/x.tif", "Asset red", "read", error)
    assert failure_class(failure) == kind
    assert f"TIFFReadEncodedTile() failed. ({deepest})" in str(failure)


def test_a_near_file_for_which_too_many_are_open_may_be_read_later():
    from spectral.failures import failure_class
    from spectral.reading import failure_of

    failure = failure_of("/data/red.tif", "Asset red", "opened", OSError("/data/red.tif: Too many open files"))
    assert failure_class(failure) == "transient"


def test_a_host_that_does_not_answer_is_transient(remote: Folder, server: Server):
    server.shutdown()
    server.server_close()
    remote.run()
    assert remote.failures()["FAR"]["class"] == "transient"


def test_an_outage_does_not_cost_the_backoff_of_every_scene(remote: Folder, server: Server, monkeypatch):
    from spectral import shard

    (item,) = (json.loads(path.read_text()) for path in remote.input.iterdir())
    for number in range(10):
        remote.add({**item, "id": f"FAR{number}"})
    server.shutdown()
    server.server_close()
    attempts = []
    produce = shard.produce
    monkeypatch.setattr(shard, "produce", lambda scene, *more: attempts.append(scene.id) or produce(scene, *more))
    remote.run()
    assert {failure["class"] for failure in remote.failures().values()} == {"transient"}
    assert len(remote.failures()) == 11
    # Two scenes are on their way at a time: one more may have begun before the third had failed.
    assert 3 * 3 + 8 <= len(attempts) <= 3 * 3 + 8 + 2 * 2


def test_awss_variables_reach_gdal_unless_it_has_its_own():
    given = {"AWS_ENDPOINT_URL_S3": "https://localhost:4566", "AWS_CA_BUNDLE": "/ca.pem"}
    options = gdal_options(given)
    assert options["AWS_S3_ENDPOINT"] == "localhost:4566"
    assert (options["AWS_HTTPS"], options["AWS_VIRTUAL_HOSTING"]) == ("YES", "FALSE")
    assert options["CURL_CA_BUNDLE"] == options["GDAL_CURL_CA_BUNDLE"] == "/ca.pem"
    assert "AWS_S3_ENDPOINT" not in gdal_options({**given, "AWS_S3_ENDPOINT": "mine"})
    assert "AWS_S3_ENDPOINT" not in gdal_options({})


@pytest.mark.parametrize("answered", [0, 1])
def test_a_stop_ends_the_wait_for_a_server_that_does_not_answer(answered: int):
    """Also on a connection kept open, which is otherwise opened anew when it breaks."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = HttpClient({})
        url = f"http://127.0.0.1:{server.getsockname()[1]}/x.tif"
        begun, kept = threading.Event(), []

        def serve():
            connection, _ = server.accept()
            kept.append(connection)
            for number in range(answered + 1):
                connection.recv(10_000)
                if number < answered:
                    head = b"HTTP/1.1 206 Partial Content\r\nContent-Length: 1\r\nContent-Range: bytes 0-0/9\r\n\r\n"
                    connection.sendall(head + b"x")
            begun.set()

        threading.Thread(target=serve, daemon=True).start()
        for _ in range(answered):
            assert client.get(url, 0, 1) == Ranged(b"x", 9)
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(client.get, url, 0, 1)
            assert begun.wait(10)
            client.stop()
            with pytest.raises(TransientFailure):
                asked.result(timeout=10)
        kept[0].close()
