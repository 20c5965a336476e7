"""The state machine of a pipeline's backfills: a span cut into windows, and a run for each of them.

A window that fails leaves the others alone. What is done stands in the catalogue, so that starting a backfill again
with the same input does only what is missing; of one that recomputes, what is older than its first attempt.
"""

from __future__ import annotations

from aws_cdk import ArnFormat, Aws, Duration, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from stacks.components import run_expressions as say
from stacks.components.acknowledged import acknowledge_wildcards
from stacks.components.function_task import invoke
from stacks.components.logged_machine import LoggedMachine

_MAP = "Windows"
_MANAGED_RULE = "StepFunctionsGetEventsForStepFunctionsExecutionRule"


class BackfillMachine(LoggedMachine):
    """`cut` gives the windows, `runs`, of that name, does one of them; up to `concurrent_runs` at a time."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        name: str,
        cut: lambda_.IFunction,
        runs: sfn.StateMachine,
        runs_name: str,
        concurrent_runs: int,
        log_retention: logs.RetentionDays,
    ) -> None:
        super().__init__(
            scope,
            id,
            name=name,
            # The machine of runs has states of its own in this stack: ids are the construct tree's.
            definition=_definition(
                Construct(scope, f"{id}States"), cut=cut, runs=runs, concurrent_runs=concurrent_runs
            ),
            functions=(cut,),
            log_retention=log_retention,
        )
        statements = _permissions(self, runs, runs_name=runs_name)
        for statement in statements:
            self.add_to_role_policy(statement)
        acknowledge_wildcards(
            self.role,
            *(resource for statement in statements for resource in statement.resources),
            because="A backfill's runs are named at run time, by its windows.",
        )
        itself = Stack.of(self).split_arn(self.state_machine_arn, ArnFormat.COLON_RESOURCE_NAME).resource_name
        acknowledge_wildcards(
            self,
            *(_arn(self, "states", "execution", f"{itself}{of}:*") for of in ("", f"/{_MAP}")),
            because="The executions of the machine's own map, named by Step Functions; the CDK adds them.",
        )


def _permissions(scope: Construct, runs: sfn.StateMachine, *, runs_name: str) -> list[iam.PolicyStatement]:
    """Exactly the runs of this pipeline; the CDK's own task would reach those of every longer name too.

    https://docs.aws.amazon.com/step-functions/latest/dg/connect-stepfunctions.html
    """

    executions = _arn(scope, "states", "execution", f"{runs_name}:*")
    # Step Functions learns of a run's end by a rule that it manages with this role.
    rule = _arn(scope, "events", "rule", _MANAGED_RULE, ArnFormat.SLASH_RESOURCE_NAME)
    return [
        iam.PolicyStatement(actions=["states:StartExecution"], resources=[runs.state_machine_arn]),
        iam.PolicyStatement(actions=["states:DescribeExecution", "states:StopExecution"], resources=[executions]),
        iam.PolicyStatement(actions=["events:PutTargets", "events:PutRule", "events:DescribeRule"], resources=[rule]),
    ]


def _arn(
    scope: Construct, service: str, resource: str, name: str, form: ArnFormat = ArnFormat.COLON_RESOURCE_NAME
) -> str:
    return Stack.of(scope).format_arn(service=service, resource=resource, resource_name=name, arn_format=form)


def _definition(
    scope: Construct, *, cut: lambda_.IFunction, runs: sfn.StateMachine, concurrent_runs: int
) -> sfn.IChainable:
    windows = sfn.DistributedMap.jsonata(
        scope,
        "RunWindows",
        label=_MAP,
        items=sfn.ProvideItems.jsonata("{% $windows %}"),
        # Only what is handed in is known inside: a child of a Distributed Map sees no variables.
        item_selector={"name": say.WINDOWS_RUN_NAME, "input": say.WINDOWS_RUN_INPUT},
        max_concurrency=concurrent_runs,
        tolerated_failure_percentage=100,
        map_execution_type=sfn.StateMachineType.STANDARD,
        outputs=say.WINDOWS,
    )
    windows.item_processor(_run_window(scope, runs))

    failed = sfn.Fail.jsonata(scope, "BackfillFailed", error="BackfillFailed", cause=say.BACKFILL_FAILED_SENTENCE)
    succeeded = sfn.Succeed.jsonata(scope, "BackfillSucceeded")
    windows.next(
        sfn.Choice.jsonata(scope, "AnyFailed?")
        .when(sfn.Condition.jsonata("{% $states.input.failed > 0 %}"), failed)
        .otherwise(succeeded)
    )

    cut_windows = invoke(
        scope,
        "CutWindows",
        cut,
        payload={
            "execution_arn": say.EXECUTION_ARN,
            "started_at": "{% $states.context.Execution.StartTime %}",
            "input": "{% $states.context.Execution.Input %}",
        },
        assign={"windows": "{% $states.result.Payload.windows %}", "run": "{% $states.result.Payload.run %}"},
    )
    invalid = sfn.Fail.jsonata(scope, "InvalidInput", error="InvalidInput", cause="{% $states.input.sentence %}")
    cut_windows.add_catch(invalid, errors=["InvalidInput"], outputs={"sentence": say.FUNCTION_ERROR})
    return cut_windows.next(windows)


def _run_window(scope: Construct, runs: sfn.StateMachine) -> sfn.IChainable:
    """One window: its run's outcome, a word, since what all windows give back is one list."""
    run = sfn.CustomState(
        scope,
        "RunWindow",
        state_json={
            "Type": "Task",
            "Resource": f"arn:{Aws.PARTITION}:states:::states:startExecution.sync:2",
            "Arguments": {
                "StateMachineArn": runs.state_machine_arn,
                "Name": say.RUN_NAME_WITH_REDRIVE,
                "Input": "{% $states.input.input %}",
            },
            "Output": "{% $states.result.Output.outcome %}",
        },
    )
    # The same name with the same input while it runs is the same execution, so that no retry starts a second one.
    run.add_retry(
        errors=["StepFunctions.AWSStepFunctionsException", "StepFunctions.ExecutionLimitExceededException"],
        interval=Duration.seconds(5),
        backoff_rate=2,
        max_attempts=6,
        max_delay=Duration.minutes(2),
        jitter_strategy=sfn.JitterType.FULL,
    )
    run.add_catch(sfn.Pass.jsonata(scope, "WindowFailed", outputs="{% 'failed' %}"))
    return run
