"""When runs start: EventBridge Scheduler calls StartExecution, once for each of the schedule's events.

The Scheduler delivers at least once. Naming the execution after the event makes a second delivery meet
ExecutionAlreadyExists, and passing the event's own time makes the window the same however late it comes. Only the
universal target lets both through; the templated Step Functions target names executions at random. Whether a repeated
attempt bears the same id is documented nowhere ("for each attempted invocation"); where it does not, the second run
finds its scenes claimed, since both have the same window.
"""

from __future__ import annotations

from datetime import timedelta

from aws_cdk import Aws, Duration, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from geocadence.definition.model import Schedule
from stacks.components.acknowledged import acknowledge


class RunSchedule(Construct):
    """An event that can't be delivered within a day ends in `undelivered`, to be looked at."""

    def __init__(self, scope: Construct, id: str, *, name: str, schedule: Schedule, machine: sfn.IStateMachine) -> None:
        super().__init__(scope, id)
        self.undelivered = sqs.Queue(
            self,
            "Undelivered",
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=Duration.days(14),
            removal_policy=RemovalPolicy.DESTROY,
        )
        acknowledge(self.undelivered, "SQS3", because="This queue is the schedule's dead-letter queue.")
        role = iam.Role(
            self,
            "Role",
            description=f"Schedule {name}",
            assumed_by=iam.ServicePrincipal(
                "scheduler.amazonaws.com", conditions={"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}}
            ),
        )
        role.add_to_policy(
            iam.PolicyStatement(actions=["states:StartExecution"], resources=[machine.state_machine_arn])
        )
        role.add_to_policy(iam.PolicyStatement(actions=["sqs:SendMessage"], resources=[self.undelivered.queue_arn]))
        resource = scheduler.CfnSchedule(
            self,
            "Schedule",
            name=name,
            description=f"Runs of {name}",
            schedule_expression=schedule_expression(schedule),
            schedule_expression_timezone=schedule.timezone,
            flexible_time_window=_window(schedule.flexible_window),
            state="ENABLED" if schedule.enabled else "DISABLED",
            target=scheduler.CfnSchedule.TargetProperty(
                arn=f"arn:{Aws.PARTITION}:scheduler:::aws-sdk:sfn:startExecution",
                role_arn=role.role_arn,
                input=Stack.of(self).to_json_string(
                    {
                        "StateMachineArn": machine.state_machine_arn,
                        "Name": "<aws.scheduler.execution-id>",
                        "Input": '{"window":{"end":"<aws.scheduler.scheduled-time>"}}',
                    }
                ),
                retry_policy=scheduler.CfnSchedule.RetryPolicyProperty(
                    maximum_event_age_in_seconds=86400, maximum_retry_attempts=185
                ),
                dead_letter_config=scheduler.CfnSchedule.DeadLetterConfigProperty(arn=self.undelivered.queue_arn),
            ),
        )
        # The Scheduler tries the role when the schedule is made.
        resource.node.add_dependency(role)


def schedule_expression(schedule: Schedule) -> str:
    """Cron or rate as EventBridge Scheduler writes it, a rate in the largest unit that fits."""
    if schedule.cron is not None:
        return f"cron({schedule.cron})"
    minutes = int(schedule.rate.total_seconds() // 60)
    for unit, length in (("day", 1440), ("hour", 60), ("minute", 1)):
        if minutes % length == 0:
            number = minutes // length
            return f"rate({number} {unit}{'' if number == 1 else 's'})"
    raise AssertionError("every number is divisible by 1")


def _window(width: timedelta | None) -> scheduler.CfnSchedule.FlexibleTimeWindowProperty:
    if not width:
        return scheduler.CfnSchedule.FlexibleTimeWindowProperty(mode="OFF")
    return scheduler.CfnSchedule.FlexibleTimeWindowProperty(
        mode="FLEXIBLE", maximum_window_in_minutes=int(width.total_seconds() // 60)
    )
