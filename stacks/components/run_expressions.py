"""The state machine's JSONata: identifiers, what went wrong, and the sentences that people read.

Kept to what JSONata 2.0.6 and AWS's own `$hash`, `$parse` offer, so that it means the same on AWS and on the
local cloud. What may be missing is asked for by `$exists`: on AWS an undefined result ends the execution.
"""

from __future__ import annotations

from typing import Any

from stacks.components.processing_job.causes import told
from stacks.components.processing_job.console import CONSOLE


def _expression(text: str) -> str:
    return "{% " + " ".join(text.split()) + " %}"


RUN_ID = "{% $run_id %}"
# Plainly "" is right too, but asl-validator takes no literal text in Assign.
NOTHING = "{% '' %}"
EXECUTION_ARN = "{% $states.context.Execution.Id %}"

NEW_RUN_ID = _expression("""
  $replace($substring($states.context.Execution.StartTime, 0, 19), /[-:]/, '') & 'Z-'
  & $substring($hash($states.context.Execution.Id, 'SHA-256'), 0, 8)
""")

# A state's own error, cut to what a person reads.
ERROR = _expression("""
  $substring($states.errorOutput.Error & ': '
    & ($exists($states.errorOutput.Cause) ? $string($states.errorOutput.Cause) : ''), 0, 600)
""")

# What a function raised. Lambda's Cause is JSON with the exception's text; a time-out or a lost function's is not.
FUNCTION_ERROR = _expression(f"""(
  $cause := $exists($states.errorOutput.Cause) ? $string($states.errorOutput.Cause) : '';
  $raised := {told("$cause", "errorMessage")};
  $substring($raised != '' ? $raised : $states.errorOutput.Error & ': ' & $cause, 0, 2000)
)""")

TOO_LONG = "The execution input is too long to be read (expected {} or a few keys; of thousands of scenes, a window)."

# What the Map's jobs come to. Most reasons are with the batches' results.
JOBS = _expression("""(
  $failed := $states.result[failed = true];
  $reasons := ($failed.reason)[$ != ''];
  {
    'jobs': $count($states.result),
    'jobs_failed': $count($failed),
    'failure': $count($reasons) > 0 ? $string($reasons[0]) : ''
  }
)""")

# As much of a reason as leaves the results of all batches below 10 KB.
SHARE_OF_REASON = "{% $substring($states.input.reason, 0, $floor(3000 / $plan.batches)) %}"

# The run's output: what CloseRun returns but for the sentence, which goes into a variable.
CLOSED = {
    key: f"{{% $states.result.Payload.{key} %}}"
    for key in ("run_id", "outcome", "planned", "produced", "skipped", "failed", "report")
}

_SCENES = """
  $string($states.input.produced) & ' of ' & $string($states.input.planned) & ' scenes produced, '
  & $string($states.input.failed) & ' failed, ' & $string($states.input.skipped) & ' skipped.'
"""
# Nobody knows which file is of which object.
_OBJECTS = """
  $string($states.input.planned) & ' objects handed to the script, ' & $string($states.input.produced)
  & ' files written, ' & $string($states.input.failed) & ' failed.'
"""
_FAILURE = "($failure != '' ? ' ' & $failure : '')"
_REPORT = "($exists($states.input.report) and $states.input.report ? ' Report: ' & $string($states.input.report) : '')"


def failed_sentence(*, of_scenes: bool) -> str:
    """The Cause of a run that failed."""
    return _expression(f"'Run ' & $run_id & ': ' & {_SCENES if of_scenes else _OBJECTS} & {_FAILURE} & {_REPORT}")


def broken(*, planned: Any) -> dict[str, Any]:
    """The run's output when one of our own functions broke."""
    nothing = {"produced": 0, "skipped": 0, "failed": 0, "report": ""}
    return {"run_id": RUN_ID, "outcome": "failed", "planned": planned, **nothing}


# Where to look, for a mail.
_EXECUTION = f"""
  ' Execution: ' & {CONSOLE} & '/states/home?region=' & $split($states.context.Execution.Id, ':')[3]
  & '#/v2/executions/details/' & $states.context.Execution.Id
"""


def notice(name: str, *, of_scenes: bool) -> str:
    """The mail: what happened to which run, and where to look."""
    return _expression(f"""
      '{name}: run ' & $run_id & ' ended as ' & $states.input.outcome & '. ' & {_SCENES if of_scenes else _OBJECTS}
      & {_FAILURE} & {_REPORT} & {_EXECUTION}
    """)


def refusal(name: str) -> str:
    """The mail of a run that was refused."""
    return _expression(f"""
      '{name}: run ' & $run_id & ' was refused, and nothing was started. ' & $states.input.sentence & {_EXECUTION}
    """)


# What the schedule asks for (`run_schedule`): nobody looks at how such a run ends.
IS_SCHEDULED = _expression("""(
  $asked := $states.context.Execution.Input;
  $count($keys($asked)) = 1 and $exists($asked.window.end) and $count($keys($asked.window)) = 1
)""")


# A backfill's runs are named by it and by their windows: see `geocadence.layout.backfill_run_name`.
WINDOWS_RUN_NAME = _expression("""
  'backfill-' & $substring($hash($states.context.Execution.Id, 'SHA-256'), 0, 8) & '-'
  & $replace($substring($states.context.Map.Item.Value.start, 0, 19), /[-:]/, '') & 'Z'
""")
WINDOWS_RUN_INPUT = _expression("$merge([$run, {'window': $states.context.Map.Item.Value}])")

_REDRIVES = "$exists($states.context.Execution.RedriveCount) ? $states.context.Execution.RedriveCount : 0"
REDRIVES = _expression(_REDRIVES)

# Which redrive wrote a batch's objects, where the run still had its claim. A redrive goes on with the state that was
# stopped, which may be the batch's job: one that nobody has written in this redrive has no name, so there is no call.
WRITTEN = "written"
IS_WRITTEN = f"($exists(${WRITTEN}) and ${WRITTEN} = ({_REDRIVES}))"
BATCH_AS_WRITTEN = f"({IS_WRITTEN} ? $states.input.batch : $error('the run was redriven since the batch was written'))"
IS_TO_BE_WRITTEN = _expression(f"$not({IS_WRITTEN})")

# A name is an execution's for good, so that a redrive needs another one.
RUN_NAME_WITH_REDRIVE = _expression(f"$states.input.name & '-' & $string({_REDRIVES})")

# What the windows' outcomes come to; whatever else a window ended as, it failed.
WINDOWS = _expression("""(
  $of := function($outcome) { $count($states.result[$ = $outcome]) };
  $done := $of('complete') + $of('partial') + $of('empty');
  {
    'windows': $count($windows),
    'complete': $of('complete'),
    'partial': $of('partial'),
    'empty': $of('empty'),
    'failed': $count($windows) - $done
  }
)""")

BACKFILL_FAILED_SENTENCE = _expression("""
  $string($states.input.failed) & ' of ' & $string($states.input.windows) & ' windows failed. '
  & 'Start it again with the same input: what is done is left as it is.'
""")
