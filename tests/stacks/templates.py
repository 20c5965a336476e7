"""Reads what a synthesis left: templates with their references as text, policies, state machines, expressions."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import jsonata

ACCOUNT, REGION = "123456789012", "us-west-2"
_PSEUDO = {"AWS::AccountId": ACCOUNT, "AWS::Region": REGION, "AWS::Partition": "aws", "AWS::URLSuffix": "amazonaws.com"}


@dataclass(frozen=True)
class Synthesis:
    """A cloud assembly's folder."""

    folder: Path

    def stack(self, name: str) -> Stack:
        return Stack(name, json.loads((self.folder / f"{name}.template.json").read_text()), self.folder)

    @cached_property
    def stacks(self) -> list[Stack]:
        return [self.stack(path.name.split(".")[0]) for path in sorted(self.folder.glob("*.template.json"))]

    @property
    def report(self) -> dict[str, Any]:
        return json.loads((self.folder / "validation-report.json").read_text())


@dataclass(frozen=True)
class Stack:
    name: str
    template: dict[str, Any]
    folder: Path

    def of_type(self, kind: str) -> dict[str, dict[str, Any]]:
        """Logical id → resource, with references as text."""
        found = {key: each for key, each in self.template["Resources"].items() if each["Type"] == kind}
        return {key: self.plain(each) for key, each in found.items()}

    def only(self, kind: str) -> dict[str, Any]:
        (found,) = self.of_type(kind).values()
        return found["Properties"]

    def plain(self, value: Any) -> Any:
        """`value` with joins, subs and pseudo parameters as text, other references as `<LogicalId.Attribute>`."""
        if isinstance(value, list):
            return [self.plain(each) for each in value]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            ((key, held),) = value.items()
            if key == "Fn::Join":
                return held[0].join(self.plain(each) for each in held[1])
            if key == "Fn::Sub":
                for name, text in _PSEUDO.items():
                    held = held.replace(f"${{{name}}}", text)
                return held
            if key == "Fn::Select":
                number, split = held
                separator, whole = split["Fn::Split"]
                return f"<{self.plain(whole)[1:-1]} {separator}{number}>"
            if key == "Ref":
                return _PSEUDO.get(held, f"<{held}>")
            if key == "Fn::GetAtt":
                return f"<{'.'.join(held)}>"
        return {key: self.plain(held) for key, held in value.items()}

    def machine(self, name: str) -> dict[str, Any]:
        """The properties of the state machine of that name."""
        found = (each["Properties"] for each in self.of_type("AWS::StepFunctions::StateMachine").values())
        (machine,) = (each for each in found if each["StateMachineName"] == name)
        return machine

    @property
    def definition(self) -> dict[str, Any]:
        """The definition of the runs' state machine."""
        return json.loads(self.machine(self.name)["DefinitionString"])

    @property
    def backfill(self) -> dict[str, Any]:
        """The definition of the backfills' state machine."""
        return json.loads(self.machine(f"{self.name}_backfill")["DefinitionString"])

    @property
    def task(self) -> dict[str, Any]:
        """The state that starts a processing job."""
        return self.batch_states["ProcessScenes"]

    @property
    def batch_states(self) -> dict[str, Any]:
        return self.definition["States"]["ProcessBatches"]["ItemProcessor"]["States"]

    def statements(self, part_of_role: str) -> list[dict[str, Any]]:
        """The statements of the policies on roles whose logical id contains `part_of_role`."""
        return [
            statement
            for role, statement in self.all_statements()
            if part_of_role in role and "NotAction" not in statement
        ]

    def all_statements(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """(role's logical id, statement) of every identity policy."""
        for policy in self.of_type("AWS::IAM::Policy").values():
            for statement in policy["Properties"]["PolicyDocument"]["Statement"]:
                for role in policy["Properties"]["Roles"]:
                    yield role.strip("<>"), statement
        for key, role in self.of_type("AWS::IAM::Role").items():
            for policy in role["Properties"].get("Policies", ()):
                for statement in policy["PolicyDocument"]["Statement"]:
                    yield key, statement


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def expressions_in(value: Any) -> Iterator[str]:
    """Every JSONata expression in a definition."""
    if isinstance(value, dict):
        for each in value.values():
            yield from expressions_in(each)
    elif isinstance(value, list):
        for each in value:
            yield from expressions_in(each)
    elif isinstance(value, str) and value.startswith("{%"):
        yield value


def evaluate(template: Any, *, states: dict[str, Any] | None = None, **variables: Any) -> Any:
    """`template` with its expressions evaluated, as a state does it; undefined results are errors, as on AWS."""
    if isinstance(template, dict):
        return {key: evaluate(each, states=states, **variables) for key, each in template.items()}
    if isinstance(template, list):
        return [evaluate(each, states=states, **variables) for each in template]
    if not (isinstance(template, str) and template.startswith("{%")):
        return template
    expression = jsonata.Jsonata.jsonata(template[2:-2].strip())
    # What Step Functions adds to JSONata.
    expression.register_lambda(
        "hash", lambda text, algorithm: hashlib.new(algorithm.replace("-", ""), text.encode()).hexdigest()
    )
    expression.register_lambda("parse", json.loads)
    expression.register_lambda("random", lambda seed=None: random.Random(seed).random())  # noqa: S311
    value = expression.evaluate(None, {"states": states or {}, **variables})
    if value is None:
        raise AssertionError(f"undefined: {template}")
    return value


def context(
    *,
    execution: str = "run-1",
    retry: int | None = 0,
    redrive: int | None = None,
    partition: str = "aws",
    region: str = REGION,
    **more: Any,
) -> dict[str, Any]:
    """A state's context object; what is None is not there."""
    machine = "geocadence-dev-ndvi-weekly"
    found = {"Id": f"arn:{partition}:states:{region}:{ACCOUNT}:execution:{machine}:{execution}", "Name": execution}
    found |= {"StartTime": "2026-11-22T20:13:00.123Z", "Input": {}}
    if redrive is not None:
        found["RedriveCount"] = redrive
    state = {} if retry is None else {"RetryCount": retry}
    return {"Execution": found, "State": state, **more}
