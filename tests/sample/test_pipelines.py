"""The definitions that come with the project: the sample's is the real world's with another URL."""

from __future__ import annotations

from pathlib import Path

from geocadence.definition import load_pipelines
from sample.items import COLLECTION
from sample.stac_api import url

PIPELINES = Path(__file__).resolve().parents[2] / "pipelines"


def test_the_samples_pipeline_differs_from_the_real_worlds_in_the_url_only():
    loaded = {definition.name: definition.pipeline.model_dump() for definition in load_pipelines(PIPELINES)}
    sample, real = loaded["ndvi-sample"], loaded["ndvi-alentejo"]
    assert sample["source"]["stac"].pop("api") == url()
    assert real["source"]["stac"].pop("api") == "https://earth-search.aws.element84.com/v1"
    for each in (sample, real):
        del each["name"], each["description"]
    assert sample == real
    assert sample["source"]["stac"]["collection"] == COLLECTION
