"""The state machine of a pipeline: plan, process batch by batch, close, and tell when it did not go well.

States hold counts and S3 references, never lists. Two variables go along: `$run_id`, and `$plan`, which the plan
function returns; `$failure` is the sentence for people when something broke. A batch is three steps where there are
scenes: its objects are written, its job runs, and what the job left is looked at, however it ended.
"""

from __future__ import annotations

from aws_cdk import Duration
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sns as sns
from aws_cdk import aws_stepfunctions as sfn
from aws_cdk import aws_stepfunctions_tasks as tasks
from constructs import Construct

from stacks.components import run_expressions as say
from stacks.components.acknowledged import acknowledge_wildcards
from stacks.components.function_task import invoke
from stacks.components.logged_machine import LoggedMachine
from stacks.components.processing_job import ProcessingJobRun

# What a batch's job comes to, for the step after it.
BATCH_OUTPUTS = {"batch": "{% $states.input.batch %}", "failed": False, "reason": say.NOTHING}
BATCH_FAILED_OUTPUTS = {**BATCH_OUTPUTS, "failed": True, "reason": "{% $states.input.reason %}"}


class RunMachine(LoggedMachine):
    """`process` processes one batch; its input is `{"batch": n}`, and its outputs are those of `BATCH_OUTPUTS`.

    `write` and `reconcile` come before and after it where the source has scenes. `recipe` is what `process` makes
    products by: an execution goes on with the machine that it was started with, while functions are those of the last
    deployment.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        name: str,
        recipe: str,
        plan: lambda_.IFunction,
        write: lambda_.IFunction | None,
        reconcile: lambda_.IFunction | None,
        close: lambda_.IFunction,
        process: ProcessingJobRun,
        concurrent_jobs: int,
        notices: sns.ITopic | None,
        log_retention: logs.RetentionDays,
    ) -> None:
        super().__init__(
            scope,
            id,
            name=name,
            definition=_definition(
                scope,
                name=name,
                recipe=recipe,
                plan=plan,
                batch=_batch(scope, write=write, process=process, reconcile=reconcile),
                of_scenes=write is not None,
                close=close,
                concurrent_jobs=concurrent_jobs,
                notices=notices,
            ),
            functions=tuple(each for each in (plan, write, reconcile, close) if each is not None),
            log_retention=log_retention,
        )
        acknowledge_wildcards(
            self.role,
            *(resource for statement in process.task.statements for resource in statement.resources),
            because="The pipeline's jobs are named at run time, by a hash of the execution.",
        )


def _definition(
    scope: Construct,
    *,
    name: str,
    recipe: str,
    plan: lambda_.IFunction,
    batch: sfn.IChainable,
    of_scenes: bool,
    close: lambda_.IFunction,
    concurrent_jobs: int,
    notices: sns.ITopic | None,
) -> sfn.IChainable:
    end = _end(scope, name=name, of_scenes=of_scenes, notices=notices)

    close_run = invoke(
        scope,
        "CloseRun",
        close,
        payload={
            "run_id": say.RUN_ID,
            "execution_arn": say.EXECUTION_ARN,
            "plan": "{% $plan.plan %}",
            "jobs": "{% $states.input.jobs %}",
            "jobs_failed": "{% $states.input.jobs_failed %}",
            "failure": "{% $states.input.failure %}",
        },
        assign={"failure": "{% $states.result.Payload.failure %}"},
        outputs=say.CLOSED,
    )
    close_run.add_catch(end, assign={"failure": say.FUNCTION_ERROR}, outputs=say.broken(planned="{% $plan.planned %}"))
    close_run.next(end)

    batches = sfn.Map.jsonata(
        scope,
        "ProcessBatches",
        items=sfn.ProvideItems.jsonata("{% [0..$plan.batches - 1] %}"),
        item_selector={"batch": "{% $states.context.Map.Item.Value %}"},
        max_concurrency=concurrent_jobs,
        outputs=say.JOBS,
    )
    batches.item_processor(batch)
    batches.add_catch(
        close_run,
        outputs={"jobs": "{% $plan.batches %}", "jobs_failed": "{% $plan.batches %}", "failure": say.ERROR},
    )
    batches.next(close_run)

    any_scenes = sfn.Choice.jsonata(scope, "AnyScenes?").when(
        sfn.Condition.jsonata("{% $plan.batches = 0 %}"),
        close_run,
        outputs={"jobs": 0, "jobs_failed": 0, "failure": ""},
    )
    any_scenes.otherwise(batches)

    plan_run = invoke(
        scope,
        "PlanRun",
        plan,
        payload={
            "run_id": say.RUN_ID,
            "execution_arn": say.EXECUTION_ARN,
            "started_at": "{% $states.context.Execution.StartTime %}",
            "input": "{% $states.context.Execution.Input %}",
            "recipe": recipe,
        },
        assign={"plan": "{% $states.result.Payload %}"},
    )
    invalid = sfn.Fail.jsonata(scope, "InvalidInput", error="InvalidInput", cause="{% $states.input.sentence %}")
    refused = invalid if notices is None else _told_where_scheduled(scope, invalid, name=name, notices=notices)
    plan_run.add_catch(refused, errors=["InvalidInput"], outputs={"sentence": say.FUNCTION_ERROR})
    # An input of nearly 256 KiB no longer fits a Task's arguments; States.ALL doesn't catch that:
    # https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
    plan_run.add_catch(refused, errors=["States.DataLimitExceeded"], outputs={"sentence": say.TOO_LONG})
    plan_run.add_catch(end, assign={"failure": say.FUNCTION_ERROR}, outputs=say.broken(planned=0))
    plan_run.next(any_scenes)

    begin = sfn.Pass.jsonata(scope, "Begin", assign={"run_id": say.NEW_RUN_ID, "failure": say.NOTHING}, outputs={})
    return begin.next(plan_run)


def _batch(
    scope: Construct,
    *,
    write: lambda_.IFunction | None,
    process: ProcessingJobRun,
    reconcile: lambda_.IFunction | None,
) -> sfn.IChainable:
    """What is done with one batch. Whatever fails is caught, so that the other batches go on.

    A job that a redrive begins behind `WriteBatch` comes to no call (`BATCH_AS_WRITTEN`), and to that step first.
    """
    if write is None or reconcile is None:
        return process
    which = {"plan": "{% $plan.plan %}", "batch": "{% $states.input.batch %}"}
    writing = invoke(
        scope,
        "WriteBatch",
        write,
        payload={**which, "redrives": say.REDRIVES},
        assign={say.WRITTEN: say.REDRIVES},
        outputs="{% $states.input %}",
    )
    reconciling = invoke(
        scope,
        "ReconcileBatch",
        reconcile,
        payload={**which, "failure": "{% $states.input.reason %}"},
        # The reason is kept with the batch's result: reasons of many batches are more than a state holds.
        outputs={"failed": "{% $states.input.failed %}"},
    )
    writing.add_catch(reconciling, outputs={**BATCH_OUTPUTS, "failed": True, "reason": say.FUNCTION_ERROR})
    # CloseRun does what was not done here.
    unreconciled = sfn.Pass.jsonata(scope, "BatchUnreconciled")
    reconciling.add_catch(unreconciled, outputs={"failed": "{% $states.input.failed %}", "reason": say.SHARE_OF_REASON})
    written = sfn.Choice.jsonata(scope, "BatchWritten?").when(sfn.Condition.jsonata(say.IS_TO_BE_WRITTEN), writing)
    return writing.next(process).next(written.otherwise(reconciling))


def _end(scope: Construct, *, name: str, of_scenes: bool, notices: sns.ITopic | None) -> sfn.Choice:
    """From the run's output to the end of the execution, by way of a notice where somebody wants it."""
    succeeded = sfn.Succeed.jsonata(scope, "RunSucceeded")
    failed = sfn.Fail.jsonata(scope, "RunFailed", error="RunFailed", cause=say.failed_sentence(of_scenes=of_scenes))
    has_failed = sfn.Condition.jsonata("{% $states.input.outcome = 'failed' %}")
    if notices is None:
        return sfn.Choice.jsonata(scope, "Outcome?").when(has_failed, failed).otherwise(succeeded)
    told = sfn.Choice.jsonata(scope, "HasFailed?").when(has_failed, failed).otherwise(succeeded)
    subject, message = f"{{% '{name}: ' & $states.input.outcome %}}", say.notice(name, of_scenes=of_scenes)
    notify = _notify(scope, "Notify", told, notices=notices, subject=subject, message=message)
    not_well = sfn.Condition.jsonata("{% $states.input.outcome in ['partial', 'failed'] %}")
    return sfn.Choice.jsonata(scope, "Outcome?").when(not_well, notify).otherwise(succeeded)


def _told_where_scheduled(scope: Construct, invalid: sfn.Fail, *, name: str, notices: sns.ITopic) -> sfn.Choice:
    """A run of the schedule that is refused, for a limit or a quota, is told like one that failed.

    Who starts one by hand sees the sentence.
    """
    notify = _notify(
        scope, "NotifyRefused", invalid, notices=notices, subject=f"{name}: refused", message=say.refusal(name)
    )
    scheduled = sfn.Condition.jsonata(say.IS_SCHEDULED)
    return sfn.Choice.jsonata(scope, "Scheduled?").when(scheduled, notify).otherwise(invalid)


def _notify(
    scope: Construct, id: str, following: sfn.IChainable, *, notices: sns.ITopic, subject: str, message: str
) -> tasks.SnsPublish:
    """A notice that can't be sent must not change what the run is."""
    notify = tasks.SnsPublish.jsonata(
        scope,
        id,
        topic=notices,
        subject=subject,
        message=sfn.TaskInput.from_text(message),
        outputs="{% $states.input %}",
    )
    notify.add_retry(interval=Duration.seconds(2), backoff_rate=2, max_attempts=4, jitter_strategy=sfn.JitterType.FULL)
    notify.add_catch(following, outputs="{% $states.input %}")
    notify.next(following)
    return notify
