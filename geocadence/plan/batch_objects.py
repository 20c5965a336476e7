"""WriteBatch: the objects that a batch's job reads, one a scene, which is what ShardedByS3Key shards.

Writing a batch again writes the same keys.
"""

from __future__ import annotations

from itertools import islice

from geocadence.bucket import Bucket
from geocadence.layout import BATCH_TAGS, RunLayout
from geocadence.plan.scene_format import FORMS
from geocadence.plan.slices import read_slice

# Items that are held at the same time.
_AT_ONCE = 500


def write_batch(inputs: Bucket, layout: RunLayout, batch: int) -> None:
    planned = read_slice(inputs, layout, batch)
    scenes, form = planned.scenes(), FORMS[planned.scene_format]
    while some := list(islice(scenes, _AT_ONCE)):
        objects = {layout.batch_item(batch, scene["object"]): form(scene["item"]) for scene in some}
        inputs.write_json_many(objects, tags=BATCH_TAGS)
