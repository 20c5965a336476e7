"""The inputs that a definition gives its jobs beside scenes or objects, held against S3 before a job is paid for."""

from __future__ import annotations

from typing import Any

from geocadence.catalogue.http import CatalogueRefused
from geocadence.catalogue.manifest import check_objects, read_manifest
from geocadence.catalogue.objects import check_region
from geocadence.plan.finding import Sources


def check_extra_inputs(processing: dict[str, Any], sources: Sources) -> None:
    """CatalogueRefused where a job would fail for one of them; a file of the definition's is deployed with it."""
    for name, given in processing.get("inputs", {}).items():
        if given.get("uri"):
            try:
                _check(given["uri"], sources, is_manifest=given["data_type"] == "ManifestFile")
            except CatalogueRefused as error:
                raise CatalogueRefused(f"processing.inputs.{name}: {error}") from error


def _check(uri: str, sources: Sources, *, is_manifest: bool) -> None:
    check_region(uri, region=sources.region, region_of=sources.region_of_bucket)
    if is_manifest:
        listed = read_manifest(uri, read_s3=sources.read_s3)
        if not listed:
            raise CatalogueRefused(f"{uri} names no object (name one in it, or take the input out of the definition)")
        check_objects(uri, listed, look=sources.look_s3, region=sources.region, region_of=sources.region_of_bucket)
    elif next(iter(sources.list_s3(uri)), None) is None:
        raise CatalogueRefused(f"{uri} matches no object (a job whose input matches none fails: put one there)")
