"""The sample's STAC API answers as pystac-client and the plan need it."""

from __future__ import annotations

import errno
import os
import re
import socket
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from pystac_client import Client

from sample.items import COLLECTION, item_of
from sample.scenes import PLANS
from sample.stac_api import StacApiError, check_free, serve

ALL_TIME = "2016-01-01T00:00:00Z/2030-01-01T00:00:00Z"
AREA = {"type": "Polygon", "coordinates": [[[-7.96, 38.57], [-7.76, 38.57], [-7.76, 38.68], [-7.96, 38.68], [-7.96, 38.57]]]}  # fmt: skip # noqa: E501
ITEMS = [
    item_of(plan.shot, href_prefix="s3://bucket/imagery/", cloud_cover=10.0, nodata_percentage=0.0) for plan in PLANS
]


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serve(ITEMS, folder=tmp_path_factory.mktemp("api"), port=free_port()) as url:
        yield url


def found(api: str, **search) -> set[str]:
    return {item.id for item in Client.open(api).search(**{"collections": [COLLECTION], **search}).items()}


def test_all_items_are_found_page_by_page(api: str):
    assert found(api, intersects=AREA, datetime=ALL_TIME, limit=2) == {item["id"] for item in ITEMS}


def test_a_search_finds_by_time_and_area(api: str):
    spring = found(api, intersects=AREA, datetime="2026-03-01T00:00:00Z/2026-04-30T00:00:00Z")
    assert len(spring) == 3
    east = {"type": "Point", "coordinates": [-7.80, 38.65]}
    assert found(api, intersects=east, datetime=ALL_TIME) == {"S2C_T29SPC_20260317T112118_L2A"}
    assert found(api, intersects={"type": "Point", "coordinates": [10, 50]}) == set()


def test_a_search_finds_by_id(api: str):
    assert found(api, ids=[ITEMS[0]["id"]]) == {ITEMS[0]["id"]}


def test_items_come_as_they_were_with_a_link_to_themselves(api: str):
    (item,) = (
        item for item in Client.open(api).search(ids=[ITEMS[0]["id"]], collections=[COLLECTION]).items_as_dicts()
    )
    assert item["assets"] == ITEMS[0]["assets"]
    assert item["properties"] == ITEMS[0]["properties"]
    links = {link["rel"]: link["href"] for link in item["links"]}
    assert links["self"] == f"{api}/collections/{COLLECTION}/items/{ITEMS[0]['id']}"


def test_the_collection_is_there(api: str):
    assert [collection.id for collection in Client.open(api).get_collections()] == [COLLECTION]


def test_a_query_finds_nothing(api: str):
    """rustac's limit, which the plan gets by: it filters by itself what an API without the extension gives."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert found(api, query={"eo:cloud_cover": {"lt": 60}}) == set()


def test_a_taken_port_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sample.stac_api._GRACE", 0.1)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(StacApiError) as refusal, serve(ITEMS, folder=tmp_path, port=port):
            pass
    told = str(refusal.value)
    assert f"port {port} of 127.0.0.1" in told
    assert re.search(rf"process {os.getpid()} \(\S*(python|pytest)", told)
    assert "geocadence local down" in told and "source.stac.api" in told


def test_a_port_that_only_root_may_have_is_not_said_to_be_taken(monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(socket.socket, "bind", refuse)
    with pytest.raises(StacApiError, match=r"can't be served on port 80 of 127\.0\.0\.1: Permission denied"):
        check_free(80)


def test_the_server_ends_with_its_block(tmp_path: Path):
    port = free_port()
    with serve(ITEMS, folder=tmp_path, port=port):
        pass
    with serve(ITEMS, folder=tmp_path, port=port):
        pass
