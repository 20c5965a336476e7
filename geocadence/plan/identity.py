"""Which acquisition a scene is of, and which version of it: what makes two Items one product.

Catalogues list one acquisition under several ids: `_0` and `_1` of Earth Search, one id a processing baseline in
ESA's own naming, one id a processing date in Landsat's. The acquisition is what stays the same.

Sentinel-2 names: https://sentiwiki.copernicus.eu/web/s2-products#S2Products-NamingConvention
Landsat names: https://www.usgs.gov/faqs/what-naming-convention-landsat-collections-level-1-scenes
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from geocadence.instants import parse_instant

Item = dict[str, Any]

# S2B_MSIL2A_20261107T112119_N0511_R037_T29SNB_20261107T134500: without baseline, which Planetary Computer leaves out of
# its ids, and processing time
_ESA = re.compile(
    r"(?P<satellite>S2[A-D])_MSI(?P<level>L1C|L2A)_(?P<datatake>\d{8}T\d{6})_(?:N(?P<baseline>\d{4})_)?"
    r"(?P<orbit>R\d{3})_T(?P<tile>\d\d[A-Z]{3})_(?P<processed>\d{8}T\d{6})(?:\.SAFE)?"
)
# S2B_29SNB_20261107_0_L2A: without the counter, which tells neither parts, versions nor orbits apart
_COUNTED = re.compile(r"(S2[A-D])_(\d{1,2}[A-Z]{3})_(\d{8})_\d+_(L1C|L2A)")
# LC09_L2SP_203033_20261107_20261109_02_RT: without processing date and category, which goes from RT to T1
_LANDSAT = re.compile(r"(L[COTEM]\d\d_L\w{3}_\d{6}_\d{8})_\d{8}_(\d\d)_(?:RT|T1|T2)(_\w+)?")
# GS2B_20261107T112119_039764_N05.11
_DATATAKE = re.compile(r"G(S2[A-D]_\d{8}T\d{6}_\d{6})_N\d\d\.\d\d")


NEVER = datetime.min.replace(tzinfo=UTC)


def acquisition_of(item: Item, instant: datetime) -> str:
    """The same for all Items of one acquisition (satellite, tile and pass); the id where its like is not known."""
    scene = item["id"]
    if match := _ESA.fullmatch(scene):
        return "_".join(match.group("satellite", "level", "datatake", "orbit", "tile"))
    if match := _COUNTED.fullmatch(scene):
        satellite, tile, day, level = match.groups()
        datatake = item["properties"].get("s2:datatake_id")
        known = _DATATAKE.fullmatch(datatake) if isinstance(datatake, str) else None
        # Passes of one satellite are 100 minutes apart, and far north a tile is in two of them.
        of_pass = known[1] if known else f"{satellite}_{day}_{instant.hour:02}{instant.minute // 30 * 30:02}"
        return f"{of_pass}_{tile}_{level}"
    if match := _LANDSAT.fullmatch(scene):
        return "_".join(part for part in match.groups() if part)
    return scene


def baseline_of(item: Item) -> str:
    """The processing baseline, or what else says the version of the processing; "" where nothing does.

    What the id alone says is comparable within its catalogue: a date of processing is above any number of a baseline.
    """
    properties = item["properties"]
    if found := properties.get("s2:processing_baseline") or properties.get("processing:version"):
        return str(found)
    if match := _ESA.fullmatch(item["id"]):
        number = match["baseline"]
        return f"{number[:2]}.{number[2:]}" if number else match["processed"]
    match = _LANDSAT.fullmatch(item["id"])
    return item["id"].split("_")[4] if match else ""


def version(text: str) -> tuple[int, ...]:
    """`05.10` as (5, 10), which is above (5, 9); trailing zeros don't count."""
    numbers = [int(digits) for digits in re.findall(r"[0-9]{1,18}", text)]
    while numbers and not numbers[-1]:
        numbers.pop()
    return tuple(numbers)


def changed_at(item: Item) -> datetime:
    """When the catalogue last changed the Item; the beginning of time where it does not say."""
    for name in ("updated", "s2:generation_time", "created"):
        try:
            return parse_instant(item["properties"].get(name) or "")
        except (ValueError, TypeError, AttributeError):
            continue
    return NEVER
