"""A processing job that is tried again where waiting heals, and ends in a reason where it does not.

Why not by the Task's Retry: it knows an error's name only, and two names hide what matters. A job that found
no instances (heals) and a script with a bug (never does, and each try costs a job) are both `States.TaskFailed`;
throttling and a refused request are both `SageMaker.AmazonSageMakerException`. What tells them apart is the Cause.
"""

from __future__ import annotations

from typing import Any

from aws_cdk import Duration
from aws_cdk import aws_iam as iam
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from .causes import told
from .console import CONSOLE
from .fields import Job
from .names import ATTEMPT
from .task import ProcessingJobTask

REASON_LENGTH = 600
# FailureReason may be long; what the script itself said must not be cut off behind it.
_FAILURE_LENGTH, _MESSAGE_LENGTH = 280, 200
# What CreateProcessingJob says of a quota that is too low, in AWS's words for years.
_LIMIT = "service limit '([^']+)' is ([0-9]+)[^,]*, with current utilization of ([0-9]+)[^,]* request delta of ([0-9]+)"
# The quota's code is not among them; the call looks it up.
_QUOTA = f"""(
  $needed := $string($number($limit[2]) + $number($limit[3]));
  $quotas := ' --region ' & $split($states.context.Execution.Id, ':')[3] & ' --service-code sagemaker';
  'Instances needed: ' & $needed & '. The quota “' & $limit[0] & '” is ' & $limit[1]
  & ', which retrying does not change. Raise it: '
  & {CONSOLE} & '/servicequotas/home/services/sagemaker/quotas or '
  & '`aws service-quotas request-service-quota-increase' & $quotas & ' --desired-value ' & $needed
  & ' --quota-code $(aws service-quotas list-aws-default-service-quotas' & $quotas & ' --output text --query "'
  & "Quotas[?QuotaName=='" & $limit[0] & "'].QuotaCode" & '")`'
)"""

# FailureReason of a job that was accepted, by what it begins with
# (https://docs.aws.amazon.com/sagemaker/latest/dg/pipelines-retry-policy.html: CAPACITY_ERROR and
# JOB_INTERNAL_ERROR are worth a new job; AlgorithmError and ClientError are not).
# Looked for in the raw Cause (`causes` says why).
HEALING_JOBS = '"FailureReason": ?"(CapacityError|InternalServerError)'
# Cause of a call that was not accepted. Its wording depends on the version of the SDK in Step Functions. A validation
# error quotes the refused value, which may say anything.
HEALING_CALLS = (
    "Throttling|Rate exceeded|TooManyRequests|ServiceUnavailable|InternalFailure|InternalServer"
    "|Status Code: 5[0-9][0-9]"
)

_JUDGE = f"""(
  $given := function($text) {{ $exists($text) ? $string($text) : '' }};
  $name := $given($states.errorOutput.Error);
  $cause := $given($states.errorOutput.Cause);
  $isJob := $substring($cause, 0, 2) = '{{"';
  $why := $substring({told("$cause", "FailureReason")}, 0, {_FAILURE_LENGTH});
  $message := $substring({told("$cause", "ExitMessage")}, 0, {_MESSAGE_LENGTH});
  $time := $match($cause, /"MaxRuntimeInSeconds": ?([0-9]+)/, 1);
  $stopped := $contains($cause, /"ProcessingJobStatus": ?"Stopped"/)
    ? 'It was stopped, by a person or after its run time' & ($exists($time) ? ' of ' & $time[0].groups[0] & ' s' : '')
    : '';
  $told := [$stopped, $why, $message, {told("$cause", "ProcessingJobName")}][$ != ''];
  $refused := $contains($cause, /[Vv]alidation/);
  $heals := $isJob ? $contains($cause, /{HEALING_JOBS}/) : $contains($cause, /{HEALING_CALLS}/) and $not($refused);
  $reason := $isJob and $count($told) > 0 ? $join($told, '; ') : $join([$name, $cause][$ != ''], ': ');
  $limit := $match($cause, /{_LIMIT}/, 1)[0].groups;
  $quota := $exists($limit) and $not($isJob) ? {_QUOTA} : '';
  $before := $exists($states.input.{ATTEMPT}) ? $states.input.{ATTEMPT} : 0;
  $merge([$states.input, {{
    '{ATTEMPT}': $before + 1,
    'heals': $heals,
    'reason': $substring($quota != '' ? $quota : $reason, 0, {REASON_LENGTH})
  }}])
)"""


class ProcessingJobRun(sfn.StateMachineFragment):
    """A `ProcessingJobTask` with attempts.

    The input of the fragment must be an object; `attempt`, `heals` and `reason` are added to it on the way.
    Its output is `outputs` (default `{"failed": false}`), or `failed_outputs` (default
    `{"failed": true, "reason": "…"}`), for which `$states.input` is the fragment's input with `reason`: what
    FailureReason, ExitMessage and job name (or the refused call) say, at most 600 characters. It never throws:
    what a failed job means is the machine's to decide.

    Between two attempts it waits a random part of `pause` · 2^n, at most `longest_pause` (full jitter).
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        job: Job,
        role: iam.IRole,
        name_prefix: str,
        item: str = "0",
        attempts: int = 5,
        pause: Duration | None = None,
        longest_pause: Duration | None = None,
        start_up: Duration | None = None,
        outputs: Any = None,
        failed_outputs: Any = None,
    ) -> None:
        super().__init__(scope, id)
        self.task = ProcessingJobTask(
            self,
            id,
            job=job,
            role=role,
            name_prefix=name_prefix,
            item=item,
            start_up=start_up,
            outputs={"failed": False} if outputs is None else outputs,
        )
        wait = _full_jitter(pause or Duration.minutes(1), longest_pause or Duration.minutes(15))
        paused = sfn.Wait.jsonata(self, f"{id}Pause", time=sfn.WaitTime.seconds(wait))
        told = {"failed": True, "reason": "{% $states.input.reason %}"} if failed_outputs is None else failed_outputs
        failed = sfn.Pass.jsonata(self, f"{id}Failed", outputs=told)
        again = sfn.Condition.jsonata(f"{{% $states.input.heals and $states.input.{ATTEMPT} < {attempts} %}}")
        judged = sfn.Choice.jsonata(self, f"{id}CanHeal?").when(again, paused).otherwise(failed)
        self.task.add_catch(judged, errors=["States.ALL"], outputs="{% " + " ".join(_JUDGE.split()) + " %}")
        paused.next(self.task)
        self._ends = [self.task, failed]

    @property
    def start_state(self) -> sfn.State:
        return self.task

    @property
    def end_states(self) -> list[sfn.INextable]:
        return self._ends


def _full_jitter(pause: Duration, longest: Duration) -> str:
    cap = f"$min([{longest.to_seconds()}, {pause.to_seconds()} * $power(2, $states.input.{ATTEMPT} - 1)])"
    return "{% 1 + $floor($random() * " + cap + ") %}"
