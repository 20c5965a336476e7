"""The definitions that come with the project hold, and the sample's finds the sample."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from geocadence.definition.loading import load_pipelines
from sample.items import COLLECTION
from sample.scenes import PLANS
from sample.stac_api import url

PIPELINES = Path(__file__).resolve().parents[2] / "pipelines"


def test_the_samples_pipeline_reaches_every_scene_of_the_sample_for_years():
    loaded = {definition.pipeline.name: definition.pipeline for definition in load_pipelines(PIPELINES)}
    source = loaded["ndvi-sample"].source.stac
    oldest = min(datetime.fromisoformat(plan.shot.moment) for plan in PLANS)
    assert oldest + source.lookback > datetime.fromisoformat(PLANS[-1].shot.moment) + timedelta(days=4 * 365)
    assert (source.api, source.collection) == (url(), COLLECTION)
    assert source.query == {}


def test_the_real_worlds_pipeline_differs_in_where_when_and_how_much_only():
    loaded = {definition.pipeline.name: definition.pipeline for definition in load_pipelines(PIPELINES)}
    sample, real = loaded["ndvi-sample"], loaded["ndvi-alentejo"]
    assert real.source.stac.collection == sample.source.stac.collection
    assert real.source.stac.area == sample.source.stac.area
    assert real.processing.script == sample.processing.script
    assert real.processing.arguments == sample.processing.arguments
