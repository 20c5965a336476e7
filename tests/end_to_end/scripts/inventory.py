"""A script as users write them: it knows SageMaker's folders and nothing of Geocadence.

Copies what it was given to the output, under its host's name, and notes what S3 lets it do beyond that.
"""

import json
import os
import shutil
from pathlib import Path

import boto3
from botocore.exceptions import ClientError

host = json.loads(Path("/opt/ml/config/resourceconfig.json").read_text())["current_host"]
given = Path("/opt/ml/processing/input_data")
output = Path("/opt/ml/processing/output_data/by-host") / host

output.mkdir(parents=True)
files = sorted(path for path in given.rglob("*") if path.is_file())
for path in files:
    target = output / path.relative_to(given)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, target)


def answer(call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        return error.response["Error"]["Code"]
    return "allowed"


s3 = boto3.client("s3")
inputs, outputs = os.environ["INPUT_BUCKET"], os.environ["OUTPUT_BUCKET"]
(output / "permissions.json").write_text(
    json.dumps(
        {
            "read another pipeline's input": answer(s3.get_object, Bucket=inputs, Key="e2e-scenes/private.txt"),
            "list another pipeline's input": answer(s3.list_objects_v2, Bucket=inputs, Prefix="e2e-scenes/"),
            "write to another pipeline's output": answer(s3.put_object, Bucket=outputs, Key="e2e-scenes/x", Body=b"x"),
            "delete its own output": answer(s3.delete_object, Bucket=outputs, Key="e2e-objects/x"),
            "make itself a bucket": answer(s3.create_bucket, Bucket="mine-now"),
        }
    )
)
print(f"{host}: {len(files)} files")
