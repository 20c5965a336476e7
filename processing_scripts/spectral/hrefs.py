"""Where an asset is, in GDAL's terms."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from spectral.failures import InputFailure
from spectral.json_values import is_text

# Object stores that GDAL reads by itself, by the scheme of their URIs.
_STORES = {"s3": "/vsis3/", "gs": "/vsigs/", "az": "/vsiaz/", "abfs": "/vsiadls/"}


# Nobody offers more, and each may have to be waited for.
_MOST_ALTERNATES = 4


def hrefs_of(asset: dict[str, Any]) -> list[object]:
    """The asset's href, then those of its alternates: https://github.com/stac-extensions/alternate-assets."""
    alternate = asset.get("alternate")
    listed = list(alternate.values())[:_MOST_ALTERNATES] if isinstance(alternate, dict) else []
    others = (one.get("href") for one in listed if isinstance(one, dict))
    return [asset.get("href"), *dict.fromkeys(href for href in others if is_text(href))]


def gdal_path(href: object, base: Path) -> str:
    """The path under which GDAL opens `href`.

    Args:
        href: s3://…, gs://…, az://…, abfs://…, http(s)://…, file://…, or a path.
        base: the folder that a relative path is relative to (that of the scene's JSON file).

    Raises:
        InputFailure: no href, or one of a kind that can't be read.
    """
    if not is_text(href) or not href.strip() or "\x00" in href:
        raise InputFailure(f"An asset has no usable href (found {href!r}).")
    scheme, separator, rest = href.partition("://")
    if not separator:
        if href.startswith("/vsi"):
            raise InputFailure(f"The href {href!r} is a path of GDAL's own: expected s3://, https:// or a file.")
        return str(base / href)
    scheme = scheme.lower()
    if scheme in ("http", "https") and is_address(href):
        return f"/vsicurl/{href}"
    if scheme in _STORES and not rest.startswith("/") and rest:
        return f"{_STORES[scheme]}{rest}"
    if scheme == "file":
        return _local(href, rest)
    if scheme in ("http", "https", *_STORES):
        raise InputFailure(f"The href {href!r} is no address: expected {scheme}://, a host or bucket, and a path.")
    raise InputFailure(f"The href {href!r} has the unknown scheme {scheme!r}: expected s3, https or a file.")


def _local(href: str, rest: str) -> str:
    """The path of a `file://` address: of this machine, hence without a host or with `localhost`."""
    path = unquote(rest.removeprefix("localhost"))
    if not path.startswith("/") or "\x00" in path:
        raise InputFailure(f"The href {href!r} names no file of this machine: expected file:/// and a path.")
    return path


def is_remote(path: str) -> bool:
    """Whether reading `path` (as `gdal_path` gave it) goes over the network."""
    return path.startswith("/vsi")


def is_address(href: str) -> bool:
    """Whether it names a host of the web, and holds nothing that a request's first line can't."""
    try:
        parts = urlsplit(href)
        # As the name is looked up: no part of it is empty, or longer than 63 characters.
        has_host = bool((parts.hostname or "").encode("idna")) and parts.port != 0
    except ValueError:
        return False
    is_web = parts.scheme in ("http", "https")
    return is_web and has_host and not any(character <= " " or character == "\x7f" for character in href)
