"""The command line on definitions: `validate` and `schema`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from geocadence.cli import main


def test_validate_is_content_with_this_projects_pipelines(capsys: Any) -> None:
    assert main(["validate"]) == 0
    assert "ndvi-sample: valid" in capsys.readouterr().out


def test_validate_names_every_mistake(tmp_path: Path, capsys: Any) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("name: X\nsource: {}\n")

    assert main(["validate", str(wrong)]) == 1

    told = capsys.readouterr().err.splitlines()
    assert told == [
        f"{wrong}:1: name: X is no pipeline name (expected up to 30 lower-case letters, digits and -, a letter first)",
        f"{wrong}:1: processing: is missing (it is required: the processing job)",
        f"{wrong}:2: source: needs exactly one of stac, items, prefix, manifest (found none)",
    ]


def test_validate_tells_what_is_to_be_known_and_is_content(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "script.py").touch()
    path = tmp_path / "p.yaml"
    processing = "{script: script.py, instance_count: 2, distribution: FullyReplicated}"
    path.write_text(f"name: p\nsource: {{prefix: {{uri: s3://bucket/}}}}\nprocessing: {processing}\n")

    assert main(["validate", str(path)]) == 0
    told = capsys.readouterr()
    assert main(["validate", "--json", str(path)]) == 0
    (caution,) = json.loads(capsys.readouterr().out)["cautions"]

    assert told.out == f"p: valid ({path})\n"
    assert told.err.startswith(f"caution: {path}:3: processing.distribution: FullyReplicated gives each of 2")
    assert (caution["line"], caution["key"]) == (3, "processing.distribution")


def test_validate_speaks_json(tmp_path: Path, capsys: Any) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("- a list\n")

    assert main(["validate", "--json", str(wrong)]) == 1

    assert json.loads(capsys.readouterr().out) == {
        "valid": False,
        "problems": [
            {
                "file": str(wrong),
                "line": 1,
                "key": "",
                "problem": "is no mapping (expected name, source and processing)",
            }
        ],
    }


def test_a_file_that_is_not_there_is_named(tmp_path: Path, capsys: Any) -> None:
    assert main(["validate", str(tmp_path / "none.yaml")]) == 1
    assert (
        capsys.readouterr().err
        == f"{tmp_path / 'none.yaml'}:1: is not there (expected a definition's file, e.g. pipelines/ndvi-sample.yaml)\n"
    )


def test_schema_is_json(capsys: Any) -> None:
    assert main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "Geocadence pipeline"
