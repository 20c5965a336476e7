"""WriteBatch: the objects that a batch's job reads, one a scene, which is what ShardedByS3Key shards.

Writing a batch again writes the same keys. No run whose claim is gone gets as far as its next job: an aborted execution
can be redriven, and its scenes may have gone to another run since, in a newer version.
"""

from __future__ import annotations

from itertools import islice

from geocadence.bucket import Bucket
from geocadence.layout import BATCH_TAGS, RunLayout
from geocadence.plan.claims import ClaimGone, is_entered, renew
from geocadence.plan.scene_format import FORMS
from geocadence.plan.slices import read_slice

# Items that are held at the same time.
_AT_ONCE = 500


def write_batch(inputs: Bucket, layout: RunLayout, batch: int, *, is_redriven: bool = False) -> None:
    """ClaimGone where another run has entered over this one's claim.

    Of a redriven run the claim is entered anew, so that who took the run for dead while it was is refused.
    """
    hold = renew if is_redriven else is_entered
    if not hold(inputs, layout.pipeline, layout.run_id):
        raise ClaimGone(layout.run_id)
    planned = read_slice(inputs, layout, batch)
    scenes, form = planned.scenes(), FORMS[planned.scene_format]
    while some := list(islice(scenes, _AT_ONCE)):
        objects = {layout.batch_item(batch, scene["object"]): form(scene["item"]) for scene in some}
        inputs.write_json_many(objects, tags=BATCH_TAGS)
