"""Every place where we reach into MiniStack's private parts; nothing outside of this folder knows it from inside.

MiniStack is pinned exactly. When the pin moves, `tests/local_cloud/test_emulator_hooks.py` names each
hook whose ground has shifted. A hook states which gap between MiniStack and AWS it closes; the
behaviour itself lives in modules that know AWS only.
"""

from local_cloud.gateway.emulator_hooks.executions import dispatch_tasks, distribute_maps
from local_cloud.gateway.emulator_hooks.functions import (
    answer_custom_resources,
    name_lambda_errors,
    run_functions_with,
    share_unpacked,
    stop_functions,
)
from local_cloud.gateway.emulator_hooks.roles import assume_role, role_allows
from local_cloud.gateway.emulator_hooks.scheduling import (
    delete_schedule,
    keep_schedule_times,
    replace_schedule_ticker,
    schedules,
)
from local_cloud.gateway.emulator_hooks.services import application, name_log_streams, register_service
from local_cloud.gateway.emulator_hooks.state_machines import check_state_machines, make_starts_idempotent

__all__ = [
    "answer_custom_resources",
    "application",
    "assume_role",
    "check_state_machines",
    "delete_schedule",
    "dispatch_tasks",
    "distribute_maps",
    "keep_schedule_times",
    "make_starts_idempotent",
    "name_lambda_errors",
    "name_log_streams",
    "register_service",
    "replace_schedule_ticker",
    "role_allows",
    "run_functions_with",
    "schedules",
    "share_unpacked",
    "stop_functions",
]
