"""The Task state `sagemaker:createProcessingJob.sync`: starts one processing job and waits for its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jsii
from aws_cdk import ArnFormat, Duration, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct, IValidation

from .checks import InvalidJob, is_known_later, problems_of
from .fields import Job, render
from .names import RETRIES_PER_ATTEMPT, job_name
from .permissions import sync_statements

# What the name alone says to be throttling. Not a lost connection: the job may have started, and the next name
# is another, so that both would run. Most throttling comes under the name
# SageMaker.AmazonSageMakerException, which validation errors bear too: `ProcessingJobRun` reads the cause.
RETRIED = ("ThrottlingException", "SageMaker.ThrottlingException")
# SageMaker's own limit where StoppingCondition is left out.
DEFAULT_RUNTIME = 86400


class ProcessingJobTask(sfn.CustomState):
    """One processing job: the state succeeds when the job completes, and throws when it does not.

    On success the output is DescribeProcessingJob's answer, unless `outputs` says otherwise: in a Map it should,
    since a hundred such answers are more than a state may hold (256 KiB). An error that says something about
    the job is `States.TaskFailed`, its Cause DescribeProcessingJob's answer with FailureReason and ExitMessage.

    `name_prefix`, `item`: see `names`. `start_up` is what the state allows on top of the job's own run time for
    finding instances, pulling the image and copying data.

    Made for machines in JSONata. The machine's role is granted what the task needs when the task becomes
    part of it; a role that the CDK can't change (imported) needs `statements` by other means. A task that nobody
    was granted to run, because it was put into a machine by hand, ends the synthesis.
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
        start_up: Duration | None = None,
        outputs: Any = None,
    ) -> None:
        if problems := problems_of(job):
            raise InvalidJob(f"{scope.node.path}/{id}", problems)
        self.statements = sync_statements(scope, name_prefix=name_prefix, role=role)
        stack = Stack.of(scope)
        state: dict[str, Any] = {
            "Type": "Task",
            "QueryLanguage": "JSONata",
            "Resource": stack.format_arn(
                service="states",
                region="",
                account="",
                resource="sagemaker",
                resource_name="createProcessingJob.sync",
                arn_format=ArnFormat.COLON_RESOURCE_NAME,
            ),
            "Arguments": {
                "ProcessingJobName": job_name(name_prefix, item=item),
                "RoleArn": role.role_arn,
                **render(job),
            },
        }
        runtime = job.stopping_condition.max_runtime_in_seconds if job.stopping_condition else DEFAULT_RUNTIME
        if not is_known_later(runtime):
            state["TimeoutSeconds"] = int(runtime) + (start_up or Duration.hours(1)).to_seconds()
        if outputs is not None:
            state["Output"] = outputs
        self._outputs_of_catch: dict[tuple[str, ...], Any] = {}
        self._is_granted = False
        super().__init__(scope, id, state_json=state)
        self.node.add_validation(_Granted(self))
        self.add_retry(
            errors=list(RETRIED),
            interval=Duration.seconds(5),
            backoff_rate=2,
            max_attempts=RETRIES_PER_ATTEMPT - 3,
            max_delay=Duration.minutes(2),
            jitter_strategy=sfn.JitterType.FULL,
        )

    def add_catch(
        self,
        handler: sfn.IChainable,
        *,
        assign: Mapping[str, Any] | None = None,
        errors: Sequence[str] | None = None,
        outputs: Any = None,
        result_path: str | None = None,
    ) -> ProcessingJobTask:
        """As any task's, with `outputs`: CustomState renders catches as JSONPath's, which have none."""
        super().add_catch(handler, assign=assign, errors=errors, result_path=result_path)
        if outputs is not None:
            self._outputs_of_catch[handler.start_state.state_id, *(errors or ["States.ALL"])] = outputs
        return self

    def to_state_json(self, query_language: sfn.QueryLanguage | None = None) -> dict[str, Any]:
        """Called by the CDK to render the state."""
        state = dict(super().to_state_json(query_language))
        for catch in state.get("Catch", ()):
            key = catch["Next"], *catch["ErrorEquals"]
            if key in self._outputs_of_catch:
                catch["Output"] = self._outputs_of_catch[key]
        return state

    def bind_to_graph(self, graph: sfn.StateGraph) -> None:
        """Called by the CDK when the state becomes part of a machine; grants its role what the task needs."""
        super().bind_to_graph(graph)
        for statement in self.statements:
            graph.register_policy_statement(statement)
        self._is_granted = True

    def grant_run(self, grantee: iam.IGrantable) -> None:
        """Grant another principal, such as a person's role for trying the machine's calls, what the task needs."""
        for statement in self.statements:
            added = grantee.grant_principal.add_to_principal_policy(statement)
            self._is_granted = self._is_granted or added.statement_added

    @property
    def is_granted(self) -> bool:
        """Whether anybody may run it."""
        return self._is_granted


@jsii.implements(IValidation)
class _Granted:
    def __init__(self, task: ProcessingJobTask) -> None:
        self._task = task

    def validate(self) -> list[str]:
        if self._task.is_granted:
            return []
        return [
            f"{self._task.node.path}: no role may start its processing jobs "
            "(make it part of a machine's definition, or call grant_run with the role of the machine that it is in)"
        ]
