"""A definition's own inputs and outputs of its jobs, beside code, scenes and products, and where they lie."""

from __future__ import annotations

from aws_cdk import aws_s3_assets as assets
from constructs import Construct

from geocadence.definition import Definition
from geocadence.definition.channels import folder_of, input_folder, output_folder
from geocadence.definition.processing import ExtraInput
from stacks.components import processing_job as pj
from stacks.components.pipeline_places import PipelinePlaces
from stacks.components.s3_access import Location


class Channels(Construct):
    """`inputs` and `outputs` for the job; `readable` and `writable` are what its role has to reach for them."""

    def __init__(self, scope: Construct, id: str, *, definition: Definition, places: PipelinePlaces) -> None:
        super().__init__(scope, id)
        self.inputs: list[pj.ProcessingInput] = []
        self.outputs: list[pj.ProcessingOutput] = []
        self.readable: list[Location] = []
        self.writable: list[Location] = []
        processing = definition.pipeline.processing
        for name, given in processing.inputs.items():
            path = definition.input_file_path(name)
            if path is not None:
                asset = assets.Asset(self, name, path=str(path))
                uri = asset.s3_object_url
                self.readable.append(Location(asset.s3_bucket_name, asset.s3_object_key, exact=True))
            else:
                uri = given.uri
                self.readable += named(given)
            source = pj.S3Input(
                uri,
                folder_of(name, given.path),
                s3_data_type=given.data_type,
                s3_input_mode=given.mode,
                s3_data_distribution_type=given.distribution,
            )
            self.inputs.append(pj.ProcessingInput(name, s3_input=source))
        for name, given in processing.outputs.items():
            uri = output_uri(given.uri or f"s3://{places.output.bucket}/{places.output.prefix}{name}")
            target = pj.S3Output(uri, folder_of(name, given.path), s3_upload_mode=given.upload)
            self.outputs.append(pj.ProcessingOutput(name, s3_output=target))
            # SageMaker puts a slash behind it: s3://bucket/maps is no right to write to s3://bucket/maps-old/.
            if given.uri:
                self.writable.append(Location.parse(f"{uri}/"))


def output_uri(uri: str) -> str:
    """An output's URI as AWS's own examples and SDK give it, without a slash at its end.

    What becomes of one is documented nowhere, and `maps//2026/06/…` would be a product that nobody finds:
    https://docs.aws.amazon.com/sagemaker/latest/dg/byoc-input-and-output.html
    """
    return uri.rstrip("/")


def names_of_files(definition: Definition) -> dict[str, str]:
    """By folder in the container what the file that is deployed into it is called; its key in S3 is a digest."""
    inputs = definition.pipeline.processing.inputs
    paths = {name: definition.input_file_path(name) for name in inputs}
    return {folder_of(name, inputs[name].path): path.name for name, path in paths.items() if path is not None}


def products_of_files(definition: Definition) -> dict[str, str] | None:
    """What makes products of the files of a script that leaves no Items has to know; None for one that leaves them."""
    processing = definition.pipeline.processing
    if not processing.makes_items:
        return None
    folders = {"input": input_folder(processing), "output": output_folder(processing)}
    return {"digest": definition.code_digest, **folders}


def named(given: ExtraInput) -> list[Location]:
    """Where an input that the definition names by its URI lies; none for a file that is deployed with it.

    What a manifest lists is known at run time only: what lies beside it, or else what `access.read` opens.
    """
    if given.uri is None:
        return []
    if given.data_type != "ManifestFile":
        return [Location.parse(given.uri)]
    folder = Location.parse(given.uri.rpartition("/")[0] + "/")
    return [Location.parse(given.uri, exact=True), *([folder] if folder.prefix else [])]
