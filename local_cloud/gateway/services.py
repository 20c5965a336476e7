"""Put the cloud together: the emulator, and what we add to it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from local_cloud.gateway import (
    bucket_emptying,
    emulator_hooks,
    function_runtime,
    sagemaker,
    sagemaker_permissions,
    service_quotas,
)
from local_cloud.gateway.certificates import Certificates
from local_cloud.gateway.clients import RoleClients
from local_cloud.gateway.scheduler import Scheduler
from local_cloud.gateway.state_machine_checks import StateMachineChecks
from local_cloud.gateway.task_dispatch import TaskDispatcher
from local_cloud.gateway.unpacking import Unpacked


def start_services(
    *, folder: Path, endpoint: str, region: str, account: str, tls: Certificates, container_python: Path
) -> tuple[Any, Callable[[], None]]:
    """The ASGI application to serve, and what to call when it no longer is."""
    clients = RoleClients(
        region=region,
        account=account,
        endpoint=endpoint,
        ca=str(tls.ca),
        ca_bundle=str(tls.bundle),
        sessions=emulator_hooks.assume_role,
    )
    jobs = sagemaker.create_service(clients, folder=folder, container_python=container_python)
    emulator_hooks.register_service(
        "sagemaker",
        target_prefix="SageMaker.",
        handler=jobs.handle_request,
        resource_arn=sagemaker_permissions.resource_arn,
        permissions=sagemaker_permissions.more,
    )
    quotas = service_quotas.ServiceQuotas(folder / "quotas.json", region=region, account=account)
    emulator_hooks.register_service(
        "servicequotas",
        target_prefix="ServiceQuotasV20190624.",
        handler=quotas.handle_request,
        resource_arn=service_quotas.resource_arn,
        permissions=service_quotas.more,
    )
    emulator_hooks.dispatch_tasks(TaskDispatcher(clients))
    emulator_hooks.distribute_maps()
    emulator_hooks.check_state_machines(
        StateMachineChecks(
            region=region,
            account=account,
            assume_role=emulator_hooks.assume_role,
            role_allows=emulator_hooks.role_allows,
        )
    )
    emulator_hooks.name_log_streams()
    emulator_hooks.make_starts_idempotent()
    emulator_hooks.name_lambda_errors()
    emulator_hooks.answer_custom_resources(bucket_emptying.RESOURCE_TYPE, bucket_emptying.BucketEmptying(clients))
    emulator_hooks.run_functions_with(function_runtime.make(folder / "runtime"))
    emulator_hooks.share_unpacked(Unpacked(folder / "unpacked").place_of)
    schedule = Scheduler(clients, schedules=emulator_hooks.schedules, delete=emulator_hooks.delete_schedule)
    emulator_hooks.keep_schedule_times()
    emulator_hooks.replace_schedule_ticker(schedule.start)

    def stop() -> None:
        schedule.stop()
        jobs.shutdown()
        emulator_hooks.stop_functions()

    return emulator_hooks.application(), stop
