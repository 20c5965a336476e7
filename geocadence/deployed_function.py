"""A deployed pipeline's function, called as its state machine calls it."""

from __future__ import annotations

import json
from typing import Any

from botocore.exceptions import ClientError

from geocadence.target import Target, TargetError

# Functions of a run may take so long, and a call that is given up is not taken back.
_PATIENCE = 15 * 60 + 10


def call(target: Target, function: str, event: dict[str, Any]) -> Any:
    """What `function` returns; TargetError with the sentence that it ended with, or where it may not be called."""
    client = target.patient_client("lambda", seconds=_PATIENCE)
    try:
        answer = client.invoke(FunctionName=function, Payload=json.dumps(event))
    except ClientError as error:
        if error.response["Error"]["Code"] != "AccessDeniedException":
            raise
        raise TargetError(
            f"you may not call the pipeline's function {function.rpartition(':function:')[2]} (allow "
            f"lambda:InvokeFunction on {function}): {error}"
        ) from error
    said = json.loads(answer["Payload"].read())
    if "FunctionError" not in answer:
        return said
    kind, sentence = said.get("errorType"), said.get("errorMessage", "it ended without a word")
    raise TargetError(sentence if kind == "InvalidInput" else f"{function} failed: {kind or 'Error'}: {sentence}")
