"""Job names: at most 63 of [a-zA-Z0-9-], never used before in the account, also by jobs long gone.

Execution names are no basis for them: EventBridge makes them 73 characters long with an underscore, people
write anything. So a name holds a hash of the execution's ARN, and what tells apart the jobs of one execution:

    <prefix>-<12 hex of SHA-256 of the execution's ARN>-<item>-<attempt>-<redrive count>

`<attempt>` counts the Task's own retries, and in steps of ten the attempts of `ProcessingJobRun`: a name that
CreateProcessingJob has seen is refused (ResourceInUse). All lower case, as ARNs of jobs come back lower-cased.
"""

from __future__ import annotations

import re

MAX_PREFIX = 37
PREFIX = re.compile(rf"[a-z0-9](-*[a-z0-9]){{0,{MAX_PREFIX - 1}}}-*")
ATTEMPT = "attempt"
RETRIES_PER_ATTEMPT = 10
_HASH_LENGTH = 12


def job_name(prefix: str, *, item: str = "0") -> str:
    """The JSONata expression of a job's name.

    `item` is an expression that tells apart the jobs of one execution, such as a Map's index; its value must be
    lower-case letters, digits and inner hyphens, at most 5.
    """
    if not PREFIX.fullmatch(prefix) or len(prefix) > MAX_PREFIX:
        raise ValueError(
            f"job name prefix {prefix!r}: needs 1 to {MAX_PREFIX} lower-case letters, digits and hyphens, "
            "beginning with a letter or digit"
        )
    execution = "$states.context.Execution"
    attempt = f"$states.input.{ATTEMPT}"
    retry = f"({_or_zero(attempt)} * {RETRIES_PER_ATTEMPT} + {_or_zero('$states.context.State.RetryCount')})"
    digest = f"$substring($hash({execution}.Id, 'SHA-256'), 0, {_HASH_LENGTH})"
    parts = [f"$string({item})", f"$string({retry})", f"$string({_or_zero(f'{execution}.RedriveCount')})"]
    return "{% " + f"'{prefix}-' & {digest} & '-' & " + " & '-' & ".join(parts) + " %}"


def job_name_pattern(prefix: str) -> str:
    """The IAM pattern of such names.

    One `?` a hash character. A prefix is no hold on the jobs of a longer one unless what is longer has exactly
    the hash's length: who can't rule that out ends each prefix in a hash of its own.
    """
    return f"{prefix}-{'?' * _HASH_LENGTH}-*"


def _or_zero(path: str) -> str:
    return f"($exists({path}) ? {path} : 0)"
