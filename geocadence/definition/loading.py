"""Definitions from files: read, checked, and with their files inlined for the Lambda functions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from geocadence.definition.area import read_area
from geocadence.definition.cautions import cautions
from geocadence.definition.checks import contradictions
from geocadence.definition.files import (
    PROJECT_ROOT,
    code_digest,
    definition_files,
    files_digest,
    find_file,
    find_script,
    is_built_in_of_scenes,
    shown,
)
from geocadence.definition.images import BUILD_CONTEXT, BUILT
from geocadence.definition.items import read_item_collection
from geocadence.definition.model import Pipeline
from geocadence.definition.problems import DefinitionErrors, KeyPath, Problem
from geocadence.definition.sentences import sentence
from geocadence.definition.source_checks import LOCAL_STAGE, is_loopback
from geocadence.definition.yaml_lines import Document, read
from geocadence.execution_input import MAX_INSTANCES


@dataclass(frozen=True)
class Definition:
    """A checked definition and the file it came from; `cautions` are what a person should know, and may mean."""

    pipeline: Pipeline
    path: Path
    root: Path = PROJECT_ROOT
    cautions: tuple[Problem, ...] = ()

    @property
    def name(self) -> str:
        return self.pipeline.name

    @property
    def script_path(self) -> Path:
        """The script: a .py file, or a folder with its entry file."""
        return self._found(find_script(self.pipeline.processing.script, folder=self.path.parent, root=self.root))

    @property
    def requirements_path(self) -> Path | None:
        name = self.pipeline.processing.requirements
        return name and self._found(find_file(name, folder=self.path.parent, root=self.root))

    def input_file_path(self, name: str) -> Path | None:
        """The file of an input that is deployed with the definition."""
        file = self.pipeline.processing.inputs[name].file
        return file and self._found(find_file(file, folder=self.path.parent, root=self.root))

    @property
    def area_path(self) -> Path | None:
        scenes = self.pipeline.source.scenes
        if scenes is None or scenes.area is None:
            return None
        return self._found(find_file(scenes.area, folder=self.path.parent, root=self.root))

    @property
    def is_local_only(self) -> bool:
        """Whether its STAC API is on this very machine, where no Lambda on AWS reaches it."""
        stac = self.pipeline.source.stac
        return stac is not None and is_loopback(stac.api)

    @property
    def most_instances(self) -> int:
        """What a run may raise the instances to: to one where each would make every product again."""
        processing = self.pipeline.processing
        of_scenes = processing.makes_items or is_built_in_of_scenes(
            processing.script, folder=self.path.parent, root=self.root
        )
        return 1 if of_scenes and processing.distribution == "FullyReplicated" else MAX_INSTANCES

    @property
    def code_digest(self) -> str:
        """What tells one state of the script from another."""
        return code_digest(self.script_path, root=self.root, beside=self.requirements_path)

    def deploys_to(self, stage: str) -> bool:
        """Whether the stage takes the pipeline in; where the definition names no stages, every one that it works in."""
        if self.pipeline.stages is not None:
            return stage in self.pipeline.stages
        return stage == LOCAL_STAGE or not self.is_local_only

    def resolved(self) -> dict[str, Any]:
        """The definition as JSON for the Lambda functions, with the files that it names inlined.

        `source.stac.geometry` or `source.items.geometry` is the area's one geometry; `source.items.collection` an
        ItemCollection that lies beside the definition; `processing.most_instances` bounds what a run may ask for;
        `processing.code_digest`, `files_digest` and `image_digest` tell one state of the script, of the files that go
        with it and of the image that is built here from another; `processing.products` is said, also where the
        definition leaves it to `scene_format`.
        """
        data = self.pipeline.model_dump(mode="json")
        data["processing"]["most_instances"] = self.most_instances
        data["processing"]["code_digest"] = self.code_digest
        data["processing"]["products"] = "files" if self.pipeline.processing.makes_items else "items"
        inputs = [self.input_file_path(name) for name in sorted(self.pipeline.processing.inputs)]
        data["processing"]["files_digest"] = files_digest(path for path in inputs if path)
        built = BUILD_CONTEXT.values() if self.pipeline.processing.image == BUILT else ()
        data["processing"]["image_digest"] = files_digest(built)
        source = self.pipeline.source
        if self.area_path is not None:
            data["source"][source.kind]["geometry"] = read_area(self.area_path)
        if source.items is not None and "://" not in source.items.href:
            path = self._found(find_file(source.items.href, folder=self.path.parent, root=self.root))
            data["source"]["items"]["collection"] = read_item_collection(path)
        return data

    def _found(self, path: Path | None) -> Path:
        if path is None:
            raise FileNotFoundError(f"a file that {self.path} names is gone since the definition was checked")
        return path


def load_pipeline(path: Path, *, root: Path = PROJECT_ROOT) -> Definition:
    """The definition in `path`; DefinitionErrors names everything that is wrong with it."""
    definition, document = _load(path, root)
    if definition is None:
        raise DefinitionErrors(document.problems)
    return definition


def load_pipelines(folder: Path, *, root: Path = PROJECT_ROOT) -> list[Definition]:
    """All definitions of a folder (`*.yaml`), by file name; DefinitionErrors speaks for all files."""
    if not folder.is_dir():
        raise DefinitionErrors([Problem(shown(folder), 1, (), "is no folder (expected one with *.yaml definitions)")])
    return load_files(definition_files(folder), root=root)


def load_files(paths: Iterable[Path], *, root: Path = PROJECT_ROOT) -> list[Definition]:
    """The definitions in `paths`, whose names must differ."""
    loaded = [_load(path, root) for path in paths]
    problems = [problem for _, document in loaded for problem in document.problems]
    first: dict[str, str] = {}
    for _, document in loaded:
        name = document.data.get("name") if isinstance(document.data, dict) else None
        if not isinstance(name, str):
            continue
        if name in first:
            problems.append(document.problem(("name",), f"{name} is taken by {first[name]} (names must differ)"))
        first.setdefault(name, document.file)
    if problems:
        raise DefinitionErrors(problems)
    return [definition for definition, _ in loaded if definition is not None]


def definition_schema() -> dict[str, Any]:
    """The JSON Schema of a definition, for editors.

    A definition says where it is in its first line: `# yaml-language-server: $schema=<path or URL>`.
    """
    schema = Pipeline.model_json_schema(mode="validation")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "Geocadence pipeline"}


def _load(path: Path, root: Path) -> tuple[Definition | None, Document]:
    try:
        document = read(path.read_text(encoding="utf-8-sig"), file=shown(path))
    except UnicodeDecodeError:
        document = Document(shown(path))
        document.problems.append(Problem(document.file, 1, (), "is no text in UTF-8 (expected YAML)"))
    except FileNotFoundError:
        document = Document(shown(path))
        document.problems.append(
            Problem(
                document.file, 1, (), "is not there (expected a definition's file, e.g. pipelines/ndvi-sample.yaml)"
            )
        )
    except OSError as error:
        document = Document(shown(path))
        document.problems.append(Problem(document.file, 1, (), f"cannot be read: {error.strerror or error}"))
    if document.problems and document.data is None:
        return None, document
    if not isinstance(document.data, dict):
        document.problems.append(document.problem((), "is no mapping (expected name, source and processing)"))
        return None, document
    pipeline = _pipeline(document)
    for key, text in contradictions(document.data, folder=path.parent, root=root):
        document.problems.append(document.problem(key, text))
    if document.problems or pipeline is None:
        return None, document
    definition = Definition(pipeline, path, root)
    found = cautions(pipeline, script=definition.script_path, root=root)
    return replace(definition, cautions=tuple(document.problem(key, text) for key, text in found)), document


def _pipeline(document: Document) -> Pipeline | None:
    try:
        return Pipeline.model_validate(document.data)
    except ValidationError as errors:
        for error in errors.errors(include_url=False):
            key = _known_part(error["loc"])
            document.problems.append(document.problem(key, sentence(error, key)))
        return None


def _known_part(location: tuple[int | str, ...]) -> KeyPath:
    """`location` without the marks that pydantic adds for dictionary keys."""
    return tuple(part for part in location if part != "[key]")
