"""Schedules: kept whole, and fired by a ticker of ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ministack.services import scheduler
from ministack.services.cloudformation import provisioners


def replace_schedule_ticker(start: Callable[[], None]) -> None:
    """Start our own ticker where MiniStack would start its.

    Its ticker sweeps every ten seconds in UTC, and knows no context attributes, universal targets or queues
    for dead letters.
    """
    scheduler.start_scheduler = start


def keep_schedule_times() -> None:
    """Give a schedule that CloudFormation makes its time zone and its dates, which MiniStack's provisioner drops."""
    handlers = provisioners._RESOURCE_HANDLERS["AWS::Scheduler::Schedule"]
    create, update = handlers["create"], handlers["update"]

    def keep(provisioned, props):
        physical_id, attributes = provisioned
        schedule = next(each for each in schedules() if each["Arn"] == attributes["Arn"])
        schedule["ScheduleExpressionTimezone"] = props.get("ScheduleExpressionTimezone", "UTC")
        schedule.update({name: props.get(name) for name in ("StartDate", "EndDate")})
        return physical_id, attributes

    handlers["create"] = lambda logical_id, props, stack: keep(create(logical_id, props, stack), props)
    handlers["update"] = lambda physical_id, old, new, stack: keep(update(physical_id, old, new, stack), new)


def schedules() -> list[dict[str, Any]]:
    """Every schedule, as GetSchedule would show it."""
    return list(scheduler._schedules._data.values())


def delete_schedule(arn: str) -> None:
    """Remove a schedule that completed with ActionAfterCompletion=DELETE."""
    for key, schedule in list(scheduler._schedules._data.items()):
        if schedule["Arn"] == arn:
            scheduler._schedules._data.pop(key, None)
