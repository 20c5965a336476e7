"""Functions: their errors, their Python, their end, and those that can't run here."""

from __future__ import annotations

import functools
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

from ministack.core import lambda_runtime
from ministack.services import lambda_svc
from ministack.services.cloudformation import custom_resource

from local_cloud.gateway.lambda_errors import error_type_of


def name_lambda_errors() -> None:
    """Report an exception's class as `errorType`, which Retry and Catch match on.

    MiniStack says `Runtime.HandlerError` for every exception of a Python function.
    """
    execute = lambda_svc._execute_function_warm

    @functools.wraps(execute)
    def named(func, event, request_id):
        result = execute(func, event, request_id)
        body = result.get("body")
        if result.get("error") and isinstance(body, dict) and body.get("errorType") == "Runtime.HandlerError":
            body["errorType"] = error_type_of(result.get("log", ""), body["errorMessage"]) or body["errorType"]
        return result

    lambda_svc._execute_function_warm = named


def run_functions_with(python: str) -> None:
    """Run Python functions under `python` rather than under the emulator's own interpreter.

    That one has the emulator's packages, so that a function which forgot to bundle one would work here only.
    """
    detect = lambda_runtime._detect_runtime_binary

    @functools.wraps(detect)
    def detected(runtime):
        binary, script = detect(runtime)
        return (python if runtime.startswith("python") else binary), script

    lambda_runtime._detect_runtime_binary = detected


def share_unpacked(place_of: Callable[[Path], Path]) -> None:
    """Link a Python function's code and layers to the folder where `place_of(archive)` has them.

    MiniStack unpacks them for the process of each function.
    """

    class Archive(zipfile.ZipFile):
        def extractall(self, path: str) -> None:
            # Into the code of other languages MiniStack writes links to their layers.
            if not Path(path).with_name("_worker.py").exists():
                super().extractall(path)
                return
            archive = Path(self.filename)
            Path(path).rmdir()
            Path(path).symlink_to(place_of(archive))
            archive.unlink()  # a copy of MiniStack's own

    lambda_runtime.zipfile = SimpleNamespace(**(vars(zipfile) | {"ZipFile": Archive}))


def stop_functions() -> None:
    """End the processes of warm functions, which would otherwise see only their input close."""
    lambda_runtime.kill_workers([worker for workers in lambda_runtime._workers.values() for worker in workers])


def answer_custom_resources(kind: str, answer: Callable[[str, dict, str | None, str], str]) -> None:
    """Let `answer(request_type, properties, physical_id, role_arn)` stand in for one kind's function.

    For functions that can't run here; the role is theirs. The result is the resource's physical id.
    """
    invoke = custom_resource.invoke_custom_resource

    @functools.wraps(invoke)
    def answered(
        request_type, logical_id, props, stack_name, stack_id, resource_type, physical_id=None, old_props=None
    ):
        if resource_type != kind:
            return invoke(request_type, logical_id, props, stack_name, stack_id, resource_type, physical_id, old_props)
        _record, config, _name = lambda_svc._get_func_record_for_ref(props["ServiceToken"])
        return answer(request_type, props, physical_id, config["Role"]), {}

    custom_resource.invoke_custom_resource = answered
