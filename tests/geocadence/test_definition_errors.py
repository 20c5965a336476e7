"""Wrong definitions: each mistake with its file, line, key, what is wrong and what would be right."""

# ruff: noqa: E501 - a table of exact texts

from __future__ import annotations

from pathlib import Path

import pytest

from geocadence.definition import DefinitionErrors, load_pipeline, load_pipelines
from geocadence.plan.batches import MOST_BATCHES

GOOD = """\
name: ndvi-weekly
schedule:
  cron: "0 6 ? * MON *"
source:
  stac:
    api: https://earth-search.aws.element84.com/v1
    collection: sentinel-2-c1-l2a
    area: areas/alentejo.geojson
processing:
  script: spectral_index
  instance_count: 4
limits: {scenes_per_job: 50}
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with one area and one built-in script; the current folder."""
    (tmp_path / "pipelines/areas").mkdir(parents=True)
    (tmp_path / "processing_scripts").mkdir()
    (tmp_path / "processing_scripts/spectral_index.py").touch()
    area = '{"type": "Polygon", "coordinates": [[[-8, 38], [-7, 38], [-7, 39], [-8, 38]]]}'
    (tmp_path / "pipelines/areas/alentejo.geojson").write_text(area)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def errors_of(project: Path, text: str) -> list[str]:
    path = project / "pipelines/ndvi-weekly.yaml"
    path.write_text(text)
    with pytest.raises(DefinitionErrors) as refusal:
        load_pipeline(path, root=project)
    return str(refusal.value).splitlines()


def test_a_good_definition_is_taken(project: Path) -> None:
    path = project / "pipelines/ndvi-weekly.yaml"
    path.write_text(GOOD)

    assert load_pipeline(path, root=project).pipeline.processing.instance_count == 4


@pytest.mark.parametrize(
    ("choice", "told"),
    [
        ("area: gone.geojson", "source.items.area: gone.geojson is not there"),
        ("query: {cloud: {below: 3}}", "source.items.query.cloud.below: is no comparison"),
        ("filter: '<'", "source.items.filter: is no CQL2"),
        ("filter: UPPER(a) = 'B'", "source.items.filter: UPPER is none of CQL2's own operators"),
        ("lookback: P3D", "source.items.lookback: P3D is shorter than the time between two runs"),
    ],
)
def test_what_chooses_among_items_is_checked_as_with_an_api(project: Path, choice: str, told: str) -> None:
    head, _, tail = GOOD.partition("  stac:")
    items = f"  items:\n    href: s3://bucket/items.parquet\n    {choice}\n"

    (error,) = errors_of(project, head + items + tail[tail.index("processing:") :])

    assert error.startswith(f"pipelines/ndvi-weekly.yaml:7: {told}")


# (what stands in the good definition, what is put in its place, the error after `pipelines/ndvi-weekly.yaml:`)
MISTAKES = [
    ("name: ndvi-weekly", "name: NDVI", "1: name: NDVI is no pipeline name (expected up to 30 lower-case letters, "
     "digits and -, a letter first)"),
    ("name: ndvi-weekly", "name: storage", "1: name: storage is the stack of the stage's buckets, "
     "geocadence-<stage>-storage (take another name)"),
    ("limits:", "limit:", "12: limit: unknown key; did you mean limits?"),
    ("limits:", "zzz:", "12: zzz: unknown key (expected one of name, description, stages, schedule, source, "
     "processing, access, limits, notify)"),
    ('cron: "0 6 ? * MON *"', "rate: P1DT30S", "3: schedule.rate: P1DT30S is not in whole minutes (expected PT1M or "
     "more, without seconds)"),
    ('cron: "0 6 ? * MON *"', "enabled: true", "2: schedule: needs exactly one of cron and rate (found neither)"),
    ('cron: "0 6 ? * MON *"', 'cron: "0 6 ? * MON *"\n  rate: P7D', "2: schedule: needs exactly one of cron and rate "
     "(found both)"),
    ("0 6 ? * MON *", "0 6 * * 1", "3: schedule.cron: 0 6 * * 1 has 5 fields (expected six: minutes, hours, "
     "day-of-month, month, day-of-week, year; e.g. 0 6 ? * MON *)"),
    ("0 6 ? * MON *", "0 6 * * MON *", "3: schedule.cron: 0 6 * * MON * has ? in neither of day-of-month and "
     "day-of-week (exactly one of the two must be ?)"),
    ("0 6 ? * MON *", "61 6 ? * MON *", "3: schedule.cron: 61 6 ? * MON * has '61' for minutes (expected 0-59, *, or "
     "lists, ranges and steps of those)"),
    ('cron: "0 6 ? * MON *"', 'cron: "0 6 ? * MON *"\n  timezone: Mars/Base', "4: schedule.timezone: Mars/Base is no time "
     "zone (expected an IANA name, e.g. Europe/Lisbon)"),
    ('cron: "0 6 ? * MON *"', 'cron: "0 6 ? * MON *"\n  timezone: europe/lisbon', "4: schedule.timezone: europe/lisbon "
     "is no time zone (did you mean Europe/Lisbon?)"),
    ('cron: "0 6 ? * MON *"', 'cron: "0 6 ? * MON *"\n  flexible_window: PT25H', "4: schedule.flexible_window: PT25H is "
     "no flexible window (expected whole minutes from PT1M to PT24H)"),
    ("https://earth-search.aws.element84.com/v1", "earth-search", "6: source.stac.api: earth-search is no URL of a STAC "
     "API (expected e.g. https://earth-search.aws.element84.com/v1)"),
    ("    collection: sentinel-2-c1-l2a\n", "", "5: source.stac.collection: is missing (it is required: the "
     "collection's id in that API, e.g. sentinel-2-c1-l2a)"),
    ("    area: areas/alentejo.geojson\n", "", "5: source.stac.area: is missing (it is required: GeoJSON file, relative "
     "to the definition, e.g. areas/alentejo.geojson)"),
    ("areas/alentejo.geojson", "areas/algarve.geojson", "8: source.stac.area: areas/algarve.geojson is not there "
     "(expected a GeoJSON file, relative to the definition or to the project)"),
    ("area: areas/alentejo.geojson", "area: areas/alentejo.geojson\n    lookback: 14", "9: source.stac.lookback: 14 is "
     "no ISO 8601 duration (expected text, e.g. P14D or PT4H)"),
    ("area: areas/alentejo.geojson", "area: areas/alentejo.geojson\n    query: {cloud: {below: 3}}", "9: "
     "source.stac.query.cloud.below: is no comparison (expected one of eq, neq, lt, lte, gt, gte, startsWith, endsWith, "
     "contains, in)"),
    ("  stac:", "  prefix: {uri: s3://bucket/}\n  stac:", "4: source: needs exactly one of stac, items, prefix, "
     "manifest (found stac and prefix)"),
    ("script: spectral_index", "script: spectral_idnex", "10: processing.script: spectral_idnex is not there (expected "
     "a built-in script: spectral_index; or a path relative to the definition or to the project)"),
    ("script: spectral_index", "script: pipelines/areas", "10: processing.script: pipelines/areas has no __main__.py (a "
     "folder is started by its __main__.py, or name another file as entry)"),
    ("script: spectral_index", "script: spectral_index\n  entry: main.py", "11: processing.entry: makes no sense here: "
     "spectral_index is one file (leave the key out)"),
    ("script: spectral_index", "script: pipelines\n  entry: main.py", "10: processing.script: pipelines has no main.py (a "
     "folder is started by its __main__.py, or name another file as entry)"),
    ("script: spectral_index", "script: pipelines\n  entry: go.sh", "11: processing.entry: go.sh is no Python file "
     "of the script's folder (expected e.g. main.py)"),
    *[
        ("script: spectral_index", f"script: scripts\n  entry: {entry}", f"11: processing.entry: {entry} does not travel to a "
         "job (name a file of scripts by its path in there, without .., hidden folders and Python's caches)")
        for entry in ("deep/../../mine.py", "deep/../go.py", "deep/.hidden/go.py")
    ],
    ("script: spectral_index", "script: _catalogue_files", "10: processing.script: _catalogue_files is not there (expected "
     "a built-in script: spectral_index; or a path relative to the definition or to the project)"),
    ("script: spectral_index", "script: spectral_index\n  requirements: gone.txt", "11: processing.requirements: gone.txt is "
     "not there (expected a requirements file, relative to the definition or to the project)"),
    ("script: spectral_index", "script: spectral_index\n  instance_type: ml.m5.4xlarg", "11: processing.instance_type: "
     "ml.m5.4xlarg is no SageMaker instance type (expected e.g. ml.m5.4xlarge)"),
    ("script: spectral_index", "script: spectral_index\n  instance_preferences: [ml.m5.xlarge, m5.large]", "11: processing."
     "instance_preferences[1]: m5.large is no SageMaker instance type (expected e.g. ml.m5.4xlarge)"),
    ("script: spectral_index", "script: spectral_index\n  instance_preferences: [ml.m5.xlarge, ml.m5.xlarge]", "11: processing."
     "instance_preferences[1]: ml.m5.xlarge is there twice (keep one of them)"),
    ("script: spectral_index", "script: spectral_index\n  instance_type: ml.m5.xlarge\n  instance_preferences: [ml.m6i.xlarge]",
     "12: processing.instance_preferences: and instance_type exclude each other (put the type first in the list)"),
    ("script: spectral_index", "script: spectral_index\n  inputs: {area: {}}", "11: processing.inputs.area: needs exactly one of "
     "uri and file (found neither)"),
    ("script: spectral_index", "script: spectral_index\n  inputs: {area: {uri: 's3://bucket/a', mode: Pipe}}", "11: "
     "processing.inputs.area.mode: Pipe is refused: it streams objects one behind the other through a named pipe, in which no "
     "library of rasters, tables or areas can seek (take File)"),
    ("script: spectral_index", "script: spectral_index\n  inputs: {area: {file: gone.geojson}}", "11: processing.inputs.area.file: "
     "gone.geojson is not there (expected a file, beside the definition or in the project)"),
    ("script: spectral_index", "script: spectral_index\n  inputs: {Area: {uri: 's3://bucket/a'}}", "11: processing.inputs.Area: "
     "Area is no name (expected lower-case letters, digits, - and _)"),
    ("script: spectral_index", "script: spectral_index\n  inputs: {code: {uri: 's3://bucket/a'}}", "11: processing.inputs.code: is "
     "a name that Geocadence uses itself (take another one)"),
    ("script: spectral_index", "script: spectral_index\n  inputs: {area: {uri: 's3://bucket/a', path: /tmp/area}}", "11: "
     "processing.inputs.area.path: /tmp/area is no folder below /opt/ml/processing/ (expected e.g. /opt/ml/processing/area)"),
    ("script: spectral_index", "script: spectral_index\n  inputs: {area: {uri: 's3://bucket/a', path: /opt/ml/processing/input_data/x}}",
     "11: processing.inputs.area.path: /opt/ml/processing/input_data/x lies in or around /opt/ml/processing/input_data (input_data "
     "has it: take another)"),
    *[
        ("script: spectral_index", f"script: mine.py\n  {key}: {path}", f"11: processing.{key}: {path} lies in or "
         f"around {other} ({whose} has it: take another)")
        for key, path, other, whose in (
            ("input_path", "/opt/ml/processing/code/scenes", "/opt/ml/processing/code", "code"),
            ("input_path", "/opt/ml/processing/output_data", "/opt/ml/processing/output_data", "output_data"),
            ("output_path", "/opt/ml/processing/input_data/out", "/opt/ml/processing/input_data", "input_data"),
        )
    ],
    ("script: spectral_index", "script: mine.py\n  input_path: /opt/ml/processing/input\n  inputs: {area: {uri: 's3://bucket/a', path: "
     "/opt/ml/processing/input/area}}", "12: processing.inputs.area.path: /opt/ml/processing/input/area lies in or around "
     "/opt/ml/processing/input (input_data has it: take another)"),
    ("script: spectral_index", "script: mine.py\n  output_path: /tmp/out", "11: processing.output_path: /tmp/out is no folder below "
     "/opt/ml/processing/ (expected e.g. /opt/ml/processing/area)"),
    ("script: spectral_index", "script: spectral_index\n  input_path: /opt/ml/processing/input", "11: processing.input_path: makes no "
     "sense here: spectral_index knows its folders (leave the key out)"),
    ("script: spectral_index", "script: spectral_index\n  outputs: {runs: {}}", "11: processing.outputs.runs: is a name that "
     "Geocadence uses itself (take another one)"),
    ("script: spectral_index", "script: spectral_index\n  inputs: {a: {uri: 's3://bucket/a', path: /opt/ml/processing/b}}\n  outputs: "
     "{b: {}}", "12: processing.outputs.b: /opt/ml/processing/b lies in or around /opt/ml/processing/b (inputs.a has it: take "
     "another)"),
    ("script: spectral_index", "script: spectral_index\n  python: 3.10", "11: processing.python: 3.1 is not text (put it "
     "in quotes)"),
    ("script: spectral_index", "script: spectral_index\n  python: '2.7'", "11: processing.python: 2.7 is no version of "
     "Python in quotes (expected e.g. \"3.10\")"),
    ("instance_count: 4", "instance_count: 0", "11: processing.instance_count: 0 is below 1 (a job needs at least one "
     "instance)"),
    ("instance_count: 4", "instance_count: 101", "11: processing.instance_count: 101 is above 100 (a processing job "
     "takes at most 100 instances)"),
    ("instance_count: 4", "instance_count: true", "11: processing.instance_count: true is not a whole number (e.g. 4)"),
    ("instance_count: 4", 'instance_count: "4"', "11: processing.instance_count: 4 is not a whole number (e.g. 4)"),
    ("instance_count: 4", "instance_count: 51", "11: processing.instance_count: 51 is above limits.scenes_per_job, 50 "
     "(an instance without a scene is paid for nothing: take fewer instances or more scenes a job)"),
    ("instance_count: 4", "max_runtime: P9DT1S", "11: processing.max_runtime: P9DT1S is outside what a processing job "
     "may run (expected PT1S to P9D)"),
    ("instance_count: 4", "distribution: Sharded", "11: processing.distribution: Sharded is unknown (expected "
     "ShardedByS3Key or FullyReplicated)"),
    ("instance_count: 4", "instance_type: m5.large", "11: processing.instance_type: m5.large is no SageMaker instance "
     "type (expected e.g. ml.m5.4xlarge)"),
    ("instance_count: 4", "arguments: {-v: true}", "11: processing.arguments.-v: is no argument name "
     "(expected letters, digits, -, _ and ., a letter first; or a list of words instead)"),
    ("instance_count: 4", "arguments: areas.geojson", "11: processing.arguments: areas.geojson is neither a mapping (`key: value` "
     "becomes --key value) nor a list (the words, as they are)"),
    ("instance_count: 4", "arguments: [NDVI, 2026-01-01]", "11: processing.arguments: are a list, and spectral_index is told by "
     "name (expected a mapping, e.g. indices: [NDVI])"),
    *[
        ("instance_count: 4", f"arguments:\n  - a.json\n  - {word}", f"13: processing.arguments[1]: {told}")
        for word, told in (
            ("true", "is neither text nor number (a list is the command line, word by word: put in quotes what is a text)"),
            ("[a]", "is neither text nor number (a list is the command line, word by word: put in quotes what is a text)"),
            ("x" * 257, "is 257 characters long as an argument (a job takes at most 256)"),
            ('"a\\nb"', "spans several lines (an argument of a job is one line)"),
            ('"{% 1 %}"', "is between {% and %} (Step Functions would evaluate it as JSONata; write it in another way)"),
        )
    ],
    ("instance_count: 4", f"arguments: [{', '.join(['a'] * 101)}]", "11: processing.arguments: make 101 words on the command line "
     "(a job takes at most 100)"),
    ("instance_count: 4", "arguments: {indices: [{a: 1}]}", "11: processing.arguments.indices: holds something else "
     "than texts, numbers and booleans (a list becomes a,b,c)"),
    ("instance_count: 4", f"arguments: {{indices: {'x' * 257}}}", "11: processing.arguments.indices: is 257 characters "
     "long as an argument (a job takes at most 256)"),
    *[
        ("instance_count: 4", f"{key}: {value}", f"11: processing.{key}.{name}: is between {{% and %}} (Step Functions "
         "would evaluate it as JSONata; write it in another way)")
        for key, name, value in (
            ("arguments", "expression", '{expression: "{% $states.input %}"}'),
            ("arguments", "expressions", '{expressions: [NDVI, "{% 1 %}", EVI]}'),
            ("arguments", "expressions", '{expressions: ["{% 1", "2 %}"]}'),
            ("arguments", "expression", '{expression: "{%%}"}'),
            ("environment", "EXPRESSION", '{EXPRESSION: "{% $states.context %}"}'),
        )
    ],
    ("instance_count: 4", "image: ubuntu", "11: processing.image: ubuntu is neither `sagemaker-geospatial` nor `build` "
     "nor an ECR image (expected e.g. 123456789012.dkr.ecr.us-west-2.amazonaws.com/name@sha256:…)"),
    ("instance_count: 4", "image: 123456789012.dkr.ecr.us-west-2.amazonaws.com/maps",
     "11: processing.image: 123456789012.dkr.ecr.us-west-2.amazonaws.com/maps has neither a tag nor a digest, and "
     "SageMaker takes one of them (expected e.g. 123456789012.dkr.ecr.us-west-2.amazonaws.com/name@sha256:…)"),
    ("instance_count: 4", f"image: 123456789012.dkr.ecr.us-west-2.amazonaws.com/maps:2@sha256:{'0' * 64}",
     f"11: processing.image: 123456789012.dkr.ecr.us-west-2.amazonaws.com/maps:2@sha256:{'0' * 18}… has both a tag and a "
     "digest, and SageMaker takes one of them (expected e.g. 123456789012.dkr.ecr.us-west-2.amazonaws.com/name@sha256:…)"),
    *[
        ("script: spectral_index\n  instance_count: 4", f"script: {script}\n  instance_count: 2\n  distribution: FullyReplicated",
         "12: processing.distribution: FullyReplicated gives each of 2 instances every scene, and spectral_index would "
         "make every product as often (take ShardedByS3Key, or one instance)")
        for script in ("spectral_index", "processing_scripts/spectral_index.py")
    ],
    ("instance_count: 4", "scene_format: geojson", "11: processing.scene_format: geojson is unknown (expected stac-item or "
     "search-result)"),
    ("instance_count: 4", "products: rasters", "11: processing.products: rasters is unknown (expected items or files)"),
    ("instance_count: 4", "scene_format: search-result", "11: processing.scene_format: search-result makes no sense here: "
     "spectral_index reads STAC Items, and search results tell nothing of offsets (leave the key out)"),
    ("instance_count: 4", "products: files", "11: processing.products: files makes no sense here: spectral_index leaves an "
     "Item with each product itself (leave the key out)"),
    *[
        ("  stac:\n    api: https://earth-search.aws.element84.com/v1\n    collection: sentinel-2-c1-l2a\n"
         "    area: areas/alentejo.geojson\nprocessing:\n  script: spectral_index\n",
         f"  {kind}: {{uri: s3://bucket/scenes.json}}\nprocessing:\n  script: mine.py\n  {key}: {value}\n",
         f"8: processing.{key}: makes no sense here: the objects of a {kind} are no scenes, and the script gets them as they "
         "are (leave the key out, or take stac or items as source)")
        for kind, key, value in (("prefix", "scene_format", "search-result"), ("manifest", "scene_format", "stac-item"),
                                 ("prefix", "products", "files"), ("manifest", "products", "items"))
    ],
    *[
        ("script: spectral_index\n  instance_count: 4", f"script: mine.py\n  {given}\n  upload: Continuous",
         "12: processing.upload: Continuous uploads files before they are in their scene's folder, where they would stay for "
         "good (take EndOfJob, or leave the key out)")
        for given in ("scene_format: search-result", "products: files")
    ],
    ("script: spectral_index\n  instance_count: 4", "script: mine.py\n  products: files\n  instance_count: 2\n  distribution: "
     "FullyReplicated", "13: processing.distribution: FullyReplicated gives each of 2 instances every scene, and mine.py would "
     "make every product as often (take ShardedByS3Key, or one instance)"),
    # What a run refuses to plan, a definition must not promise.
    ("scenes_per_job: 50", f"scenes_per_job: 50, max_scenes_per_run: {50 * MOST_BATCHES + 1}", "12: limits.max_scenes_per_run: "
     "25001 scenes in jobs of 50 make 501 jobs, above 500, the most that one run has (take more scenes a job or fewer a run)"),
    ("instance_count: 4\nlimits: {scenes_per_job: 50}", "instance_count: 3\nlimits: {scenes_per_job: 3}", "12: limits."
     "max_scenes_per_run: 2000 scenes in jobs of 3 make 667 jobs, above 500, the most that one run has (take more scenes a job "
     "or fewer a run)"),
    *[
        ("  stac:\n    api: https://earth-search.aws.element84.com/v1\n    collection: sentinel-2-c1-l2a\n"
         "    area: areas/alentejo.geojson\n", f"  manifest:\n    uri: {uri}\n", f"6: source.manifest.uri: {uri} is no S3 "
         "URI of an object (expected s3://bucket/key)")
        for uri in ("s3://bucket", "s3://bucket/", "s3://bucket/folder/")
    ],
    # S3 has no wildcards, and policies have: an empty run each week, and a role that reads beside what is meant.
    *[
        ("instance_count: 4", f"instance_count: 4\n{where.format(uri)}", f"{place}: {uri} has {sign} in it, which S3 takes as it "
         "is and the role's policy as a wildcard (end it where keys begin to differ: all that begin with it are meant; or name "
         "the objects in a manifest)")
        for where, place in (
            ("access: {{read: ['{}']}}", "12: access.read[0]"),
            ("  inputs: {{a: {{uri: '{}'}}}}", "12: processing.inputs.a.uri"),
            ("  outputs: {{a: {{uri: '{}'}}}}", "12: processing.outputs.a.uri"),
        )
        for uri, sign in (("s3://bucket/2026-*/", "*"), ("s3://bucket/a?", "?"), ("s3://bucket/${aws:username}/", "${"))
    ],
    ("instance_count: 4", f"inputs: {{a: {{uri: s3://bucket/{'x' * 1020}}}}}", f"11: processing.inputs.a.uri: s3://bucket/"
     f"{'x' * 65}… is 1032 characters long (a job takes at most 1024)"),
    ("instance_count: 4", f"outputs: {{a: {{path: /opt/ml/processing/{'x' * 256}}}}}", "11: processing.outputs.a.path: "
     f"/opt/ml/processing/{'x' * 58}… is 275 characters long (a job takes at most 256)"),
    ("instance_count: 4", "environment: {GEOCADENCE_RUN_ID: x}", "11: processing.environment.GEOCADENCE_RUN_ID: is "
     "reserved (names with GEOCADENCE_ are set by Geocadence; take another one)"),
    ("instance_count: 4", "environment: {AWS_REGION: x}", "11: processing.environment.AWS_REGION: is the job's own region "
     "(for clients of another one take AWS_DEFAULT_REGION)"),
    ("instance_count: 4", "environment: {SAGEMAKER_BASE_DIR: /x}", "11: processing.environment.SAGEMAKER_BASE_DIR: says "
     "where /opt/ml is, which is the job's own business (leave it out)"),
    *[
        ("instance_count: 4", f"environment: {{{name}: x}}", f"11: processing.environment.{name}: would keep the "
         "script from the credentials of the job's role (leave it out: access says what it may)")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN", "AWS_PROFILE",
                     "AWS_DEFAULT_PROFILE", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_SHARED_CREDENTIALS_FILE",
                     "AWS_CONFIG_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_EC2_METADATA_DISABLED",
                     "AWS_ACCOUNT_ID", "AWS_LOGIN_CACHE_DIRECTORY")
    ],
    ("instance_count: 4", "environment: {AWS_REQUEST_PAYER: owner}", "11: processing.environment.AWS_REQUEST_PAYER: owner is "
     "unknown (expected requester, of buckets whose requester pays)"),
    ("instance_count: 4", "environment: {DEBUG: 1}", "11: processing.environment.DEBUG: 1 is not text (put it in "
     "quotes)"),
    ("instance_count: 4", "environment: {9LIVES: x}", "11: processing.environment.9LIVES: is no environment variable's "
     "name (expected letters, digits and _, no digit first)"),
    ("instance_count: 4", "instance_count: 4\n  instance_count: 5", "12: processing.instance_count: is there twice "
     "(first in line 11; keep one of them)"),
    ("scenes_per_job: 50", "max_cost_usd: 0", "12: limits.max_cost_usd: 0 is not above 0 (expected an amount, or leave "
     "the key out for no limit)"),
    ("limits:", "notify: {email: [ops]}\nlimits:", "12: notify.email[0]: ops is no e-mail address (expected e.g. "
     "ops@example.com)"),
    ("limits:", "stages: [dev-eu]\nlimits:", "12: stages[0]: dev-eu is no stage name (expected up to 12 lower-case "
     "letters and digits, a letter first; e.g. dev)"),
]  # fmt: skip


@pytest.mark.parametrize(("there", "instead", "error"), MISTAKES, ids=[mistake[1][:40] for mistake in MISTAKES])
def test_a_mistake_is_named_with_its_place(project: Path, there: str, instead: str, error: str) -> None:
    (project / "mine.py").touch()
    (project / "scripts/deep/.hidden").mkdir(parents=True)
    for name in (
        "scripts/__main__.py",
        "scripts/go.py",
        "scripts/deep/.hidden/go.py",
        "processing_scripts/_catalogue_files.py",
    ):
        (project / name).touch()
    assert there in GOOD
    assert errors_of(project, GOOD.replace(there, instead, 1)) == [f"pipelines/ndvi-weekly.yaml:{error}"]


@pytest.mark.parametrize(
    ("there", "instead"),
    [
        ("scenes_per_job: 50", f"scenes_per_job: 50, max_scenes_per_run: {50 * MOST_BATCHES}"),
        ("instance_count: 4", "distribution: FullyReplicated"),
        ("script: spectral_index", "distribution: FullyReplicated\n  script: mine.py"),
        ("instance_count: 4", "scene_format: stac-item\n  products: items\n  upload: Continuous"),
        ("script: spectral_index", "script: mine.py\n  scene_format: search-result"),
        (
            "script: spectral_index",
            "script: mine.py\n  scene_format: search-result\n  products: items\n  upload: Continuous",
        ),
        ("script: spectral_index", "script: mine.py\n  products: files\n  upload: EndOfJob"),
        ("instance_count: 4", "arguments: {check: false, help: null, output: false}"),
        ("script: spectral_index", f"script: mine.py\n  arguments: [{', '.join(['a' * 256] * 100)}]"),
        ("script: spectral_index", "script: mine.py\n  arguments: []"),
        (
            "script: spectral_index",
            "script: mine.py\n  input_path: /opt/ml/processing/input/scenes\n  output_path: /opt/ml/processing/output/\n"
            "  inputs: {area: {uri: 's3://bucket/a', path: /opt/ml/processing/input_data}}",
        ),
        ("instance_count: 4", 'arguments: {template: "{%", other: "{% a %} b", more: "a {% b %}"}'),
        ("name: ndvi-weekly", "name: storage-of-grain"),
    ],
)
def test_what_is_just_within_the_rules_is_taken(project: Path, there: str, instead: str) -> None:
    (project / "mine.py").touch()
    path = project / "pipelines/ndvi-weekly.yaml"
    assert there in GOOD
    path.write_text(GOOD.replace(there, instead, 1))

    load_pipeline(path, root=project)


def test_all_mistakes_of_all_files_are_named_at_once(project: Path) -> None:
    (project / "pipelines/a.yaml").write_text(GOOD.replace("instance_count: 4", "instance_count: 0\n  scrpt: x"))
    (project / "pipelines/b.yaml").write_text(GOOD.replace("sentinel-2-c1-l2a", '""'))

    with pytest.raises(DefinitionErrors) as refusal:
        load_pipelines(project / "pipelines", root=project)

    assert str(refusal.value).splitlines() == [
        "pipelines/a.yaml:11: processing.instance_count: 0 is below 1 (a job needs at least one instance)",
        "pipelines/a.yaml:12: processing.scrpt: unknown key; did you mean script?",
        "pipelines/b.yaml:1: name: ndvi-weekly is taken by pipelines/a.yaml (names must differ)",
        "pipelines/b.yaml:7: source.stac.collection: is empty",
    ]


def test_what_is_no_yaml_is_refused_with_its_line(project: Path) -> None:
    (error,) = errors_of(project, "name: a\nsource: [1, 2\nprocessing: {}\n")

    assert error.startswith("pipelines/ndvi-weekly.yaml:3: is no valid YAML: while parsing a flow sequence")


@pytest.mark.parametrize("text", ["", "just words", "- a list", "&a [*a]"])
def test_what_is_no_mapping_is_refused(project: Path, text: str) -> None:
    (error,) = errors_of(project, text)

    assert error.startswith("pipelines/ndvi-weekly.yaml:1: is no ")


@pytest.mark.parametrize(
    ("links", "error"),
    [
        (
            {"model.bin": "../weights.bin"},
            "mine/model.bin is a link to ../weights.bin, where there is nothing (take it out of the script's folder, or "
            "have it lead to what the script needs)",
        ),
        (
            {"a": "b", "b": "a"},
            "mine/a is a link to b, where there is nothing (take it out of the script's folder, or have it lead to what "
            "the script needs)",
        ),
        ({"bands/up": "../../mine"}, "mine/bands/up is a link to a folder that it lies in (take it out)"),
        ({"null": "/dev/null"}, "mine/null is neither a file nor a folder (take it out of the script's folder)"),
    ],
)
def test_what_can_not_travel_with_a_script_is_named(project: Path, links: dict[str, str], error: str) -> None:
    (project / "mine" / "bands").mkdir(parents=True)
    (project / "mine" / "__main__.py").touch()
    for name, target in links.items():
        (project / "mine" / name).symlink_to(target)
    place = "pipelines/ndvi-weekly.yaml:10: processing.script: can't travel to a job: "
    assert errors_of(project, GOOD.replace("script: spectral_index", "script: mine")) == [place + error]


def test_links_that_a_script_does_not_take_along_may_lead_nowhere(project: Path) -> None:
    (project / "mine").mkdir()
    (project / "mine" / "__main__.py").touch()
    (project / "mine" / ".venv").symlink_to("/nowhere")
    path = project / "pipelines/ndvi-weekly.yaml"
    path.write_text(GOOD.replace("script: spectral_index", "script: mine"))

    load_pipeline(path, root=project)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AWS_REQUEST_PAYER", "requester"),
        ("AWS_NO_SIGN_REQUEST", "YES"),
        ("AWS_VIRTUAL_HOSTING", "FALSE"),
        ("AWS_S3_ENDPOINT", "eodata.dataspace.copernicus.eu"),
        ("AWS_DEFAULT_REGION", "eu-central-1"),
        ("AWS_MAX_KEYS", "1000"),
        ("AWS_ACCOUNT_ID_ENDPOINT_MODE", "disabled"),
        ("AWS_RETRY_MODE", "adaptive"),
    ],
)
def test_how_requests_are_made_is_said_in_the_environment(project: Path, name: str, value: str) -> None:
    path = project / "pipelines/ndvi-weekly.yaml"
    path.write_text(GOOD.replace("instance_count: 4", f'environment: {{{name}: "{value}"}}'))
    assert load_pipeline(path, root=project).pipeline.processing.environment == {name: value}


def test_what_is_wrong_with_requirements_is_named_before_anything_is_gathered(project: Path) -> None:
    (project / "libraries.txt").write_text("bands\n-r gone.txt\n")
    place = "pipelines/ndvi-weekly.yaml:11: processing.requirements: "
    given = "script: spectral_index\n  requirements: libraries.txt"
    assert errors_of(project, GOOD.replace("script: spectral_index", given)) == [
        f"{place}{project}/libraries.txt:2: gone.txt is not there"
    ]


def test_a_loopback_api_is_fine_for_the_local_stage_alone(project: Path) -> None:
    local = GOOD.replace("https://earth-search.aws.element84.com/v1", "http://127.0.0.1:7822")
    path = project / "pipelines/ndvi-weekly.yaml"
    for named in ("", "stages: [local]\n"):
        path.write_text(local + named)
        definition = load_pipeline(path, root=project)
        assert (definition.deploys_to("local"), definition.deploys_to("dev")) == (True, False)
    assert errors_of(project, local + "stages: [local, dev]\n")[0].startswith(
        "pipelines/ndvi-weekly.yaml:6: source.stac.api: http://127.0.0.1:7822 is this machine"
    )


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        ("{", "is no valid JSON: Expecting property name enclosed in double quotes in line 1"),
        ("[]", "is no GeoJSON object (expected a geometry, a Feature or a FeatureCollection)"),
        ('{"type": "FeatureCollection", "features": []}', "holds no geometry (expected at least one)"),
        (
            '{"type": "Point", "coordinates": [500000, 4200000]}',
            "has the position [500000, 4200000] (expected longitude -180 to 180 and latitude -90 to 90; "
            "are the coordinates projected or swapped?)",
        ),
        (
            '{"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1]]]}',
            "has a ring that is not closed (a ring's last position repeats its first, 4 at least)",
        ),
        (
            '{"type": "LineString", "coordinates": [[0, 0]]}',
            "has a LineString of one position (a line has 2 at least)",
        ),
        ('{"type": "Circle"}', "has the type 'Circle' (expected a GeoJSON geometry, Feature or FeatureCollection)"),
    ],
)
def test_a_wrong_area_is_refused(project: Path, content: str, wrong: str) -> None:
    (project / "pipelines/areas/alentejo.geojson").write_text(content)

    assert errors_of(project, GOOD) == [
        f"pipelines/ndvi-weekly.yaml:8: source.stac.area: areas/alentejo.geojson {wrong}"
    ]


def test_no_message_sounds_of_pydantic(project: Path) -> None:
    wrong = {"name: ndvi-weekly": "name: [1]", "script: spectral_index": "script: {a: 1}", "limits: {": "limits: {x: "}
    text = GOOD
    for there, instead in wrong.items():
        text = text.replace(there, instead)

    told = "\n".join(errors_of(project, text.replace("x: scenes_per_job: 50", "scenes_per_job: .nan")))
    assert not any(
        word in told.lower() for word in ("pydantic", "input should", "type=", "validation error", "value error")
    )


@pytest.mark.parametrize(
    ("arguments", "refused"),
    [
        ("{indices: [NDWI99]}", "there is no index 'NDWI99' among the 280 of Awesome Spectral Indices"),
        ("{indices: [NDVI], nosuch: 3}", "unrecognized arguments: --nosuch 3"),
        ("{indices: [NDVI], resolution: -20}", "--resolution -20 is no pixel size: expected for example 20"),
        ("{}", "the following arguments are required: --indices"),
    ],
)
@pytest.mark.parametrize("script", ["spectral_index", "processing_scripts/spectral_index.py"])
def test_a_built_in_script_is_asked_about_its_arguments(
    tmp_path: Path, script: str, arguments: str, refused: str
) -> None:
    path = tmp_path / "built-in.yaml"
    processing = f"processing:\n  script: {script}\n  arguments: {arguments}\n"
    path.write_text("name: built-in\nsource: {prefix: {uri: s3://bucket/scenes/}}\n" + processing)
    with pytest.raises(DefinitionErrors) as refusal:
        load_pipeline(path)
    assert f"built-in.yaml:5: processing.arguments: spectral_index refuses them: {refused}" in str(refusal.value)


def test_a_folder_may_be_called_as_modules_of_the_built_in_script_are(project: Path) -> None:
    (project / "processing_scripts/spectral").mkdir()
    (project / "pipelines/spectral").mkdir()
    (project / "pipelines/spectral/__main__.py").touch()
    path = project / "pipelines/p.yaml"
    path.write_text(GOOD.replace("script: spectral_index", "script: spectral"))
    assert load_pipeline(path, root=project).script_path == project / "pipelines/spectral"


def test_a_users_script_beside_the_built_in_one_is_never_started_to_check_a_definition(project: Path) -> None:
    (project / "processing_scripts/mine.py").write_text("open('started', 'w')\n")
    path = project / "pipelines/ndvi-weekly.yaml"
    path.write_text(GOOD.replace("script: spectral_index", "script: mine"))
    load_pipeline(path, root=project)
    assert not list(project.rglob("started"))


def test_a_definition_does_not_move_the_built_in_scripts_folders(project: Path) -> None:
    text = GOOD.replace(
        "script: spectral_index", "script: spectral_index\n  arguments: {indices: [NDVI], output: /tmp}"
    )
    assert errors_of(project, text) == [
        "pipelines/ndvi-weekly.yaml:11: processing.arguments.output: is not for a definition (leave it out: a job "
        "sets its folders)"
    ]
