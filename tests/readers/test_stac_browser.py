"""The catalogue in STAC Browser, where a built one and a Chromium are on this machine.

`STAC_BROWSER` names the folder of the build; docs/readers.md tells how one is made. It is opened as a visitor of a
public one would open it, at `/external/<address of the catalogue>`; the catalogue comes from another origin, as from a
bucket.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import rasterio

from tests.readers.conftest import DESCRIPTION, Catalogue
from tools.setup import node_folder

SCRIPT = Path(__file__).with_name("browse.mjs")
BUILD = os.environ.get("STAC_BROWSER")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

pytestmark = [
    pytest.mark.skipif(
        CHROMIUM is None, reason="there is no Chromium on this machine (Debian: apt-get install chromium)"
    ),
    pytest.mark.skipif(
        BUILD is None, reason="STAC_BROWSER names no built STAC Browser (docs/readers.md: how to build)"
    ),
]
# Pictures that have arrived.
PREVIEWS = "[...document.images].filter((each) => each.src.endsWith('_preview.png') && each.naturalWidth).length"
# Where the map is, once the item's COG is said to be shown on it.
MAP = """(() => {
    const {x, y, width, height} = document.querySelector(".ol-viewport")?.getBoundingClientRect() ?? {};
    return /shown/i.test(document.body.innerText) && [x, y, width, height];
})()"""


class Site(SimpleHTTPRequestHandler):
    """A folder as a bucket serves it, with ranges and for every origin; or a page whose script reads its address."""

    def __init__(self, *request: Any, is_page: bool, **options: Any) -> None:
        self.is_page = is_page
        super().__init__(*request, **options)

    def log_message(self, *_: object) -> None:
        pass

    def end_headers(self) -> None:
        self.send_header("Access-Control-Allow-Origin", "*")
        self.send_header("Access-Control-Expose-Headers", "Content-Range")
        super().end_headers()

    def do_OPTIONS(self) -> None:
        self.send_response(204)
        self.send_header("Access-Control-Allow-Headers", "Range")
        self.end_headers()

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        if self.is_page and not path.is_file():
            self.path = "/index.html"
        span = self.headers.get("Range", "").removeprefix("bytes=").partition("-")
        if not (span[0] and path.is_file()):
            return super().do_GET()
        content = path.read_bytes()
        part = content[int(span[0]) : int(span[2] or len(content)) + 1]
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {span[0]}-{int(span[0]) + len(part) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        self.wfile.write(part)
        return None


@contextmanager
def served(folder: Path, *, is_page: bool) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Site, directory=str(folder), is_page=is_page))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def chromium(profile: Path) -> Iterator[str]:
    """The port of a browser's DevTools."""
    command = [CHROMIUM, "--headless", "--enable-unsafe-swiftshader", "--hide-scrollbars", "--no-first-run"]
    command += ["--remote-debugging-port=0", f"--user-data-dir={profile}", *["--no-sandbox"] * (os.geteuid() == 0)]
    browser = subprocess.Popen([*command, "about:blank"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        told = profile / "DevToolsActivePort"
        deadline = time.monotonic() + 30
        while not told.is_file():
            assert browser.poll() is None, "Chromium ended before it answered"
            assert time.monotonic() < deadline, "Chromium does not answer"
            time.sleep(0.1)
        yield told.read_text().split()[0]
    finally:
        browser.terminate()
        browser.wait(10)


class Visit:
    """Pages of the catalogue, as STAC Browser shows them."""

    def __init__(self, *, port: str, page: str, catalogue: str, pictures: Path) -> None:
        self.port, self.page, self.catalogue, self.pictures = port, page, catalogue, pictures

    def to(self, path: str, look: str) -> tuple[dict[str, Any], Path]:
        picture = self.pictures / f"{Path(path).stem}.png"
        address = f"http://{self.page}/external/http:/{self.catalogue}/{path}"
        command = [node_folder() / "node", SCRIPT, self.port, address, picture, "1280", "1000", look]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout), picture


@pytest.fixture(scope="module")
def visit(catalogue: Catalogue, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visit]:
    with ExitStack() as stack:
        page = stack.enter_context(served(Path(BUILD or ""), is_page=True))
        data = stack.enter_context(served(catalogue.folder, is_page=False))
        port = stack.enter_context(chromium(tmp_path_factory.mktemp("profile")))
        yield Visit(port=port, page=page, catalogue=data, pictures=tmp_path_factory.mktemp("pictures"))


def test_the_collection_is_a_page_with_its_items_and_their_previews(visit: Visit, catalogue: Catalogue) -> None:
    seen, _ = visit.to("collection.json", PREVIEWS)
    assert seen["found"], seen
    assert DESCRIPTION in seen["text"]
    assert catalogue.products[0].item["properties"]["title"] in seen["text"]
    assert "sentinel-2b" in seen["text"]
    assert (seen["complaints"], seen["failed"]) == ([], [])


def test_an_item_is_a_page_with_its_cog_on_the_map(visit: Visit, catalogue: Catalogue) -> None:
    product = catalogue.products[0]
    seen, picture = visit.to(product.json.relative_to(catalogue.folder).as_posix(), MAP)
    assert seen["found"], seen
    assert product.item["properties"]["title"] in seen["text"]
    assert "Normalized Difference Vegetation Index" in seen["text"]
    assert (seen["complaints"], seen["failed"]) == ([], [])
    x, y, width, height = map(int, seen["found"])
    with rasterio.open(picture) as dataset:
        shown = dataset.read()[:3, y : y + height, x : x + width].astype(int)
    grey = (shown.max(axis=0) - shown.min(axis=0) < 8) & (shown[0] > 30) & (shown[0] < 225)
    # With nothing but white and black, the stretch would not be that of the pixels.
    assert grey.mean() > 0.1
