"""What a container finds and what becomes of what it leaves, as AWS's documentation promises it."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from .conftest import s3_input, s3_output, wait_until


def test_an_unmodified_script_that_hard_codes_opt_ml_runs(cloud):
    data, out = cloud.bucket({"in/a.txt": "alpha"}), cloud.bucket()
    described = cloud.run(
        """
        import pathlib, shutil, sys
        assert sys.argv[1:] == ["--mode", "copy it"], sys.argv
        shutil.copytree("/opt/ml/processing/input_data", "/opt/ml/processing/output_data/copy")
        """,
        AppSpecification={
            "ImageUri": "any",
            "ContainerEntrypoint": ["python3", "/opt/ml/processing/code/main.py"],
            "ContainerArguments": ["--mode", "copy it"],
        },
        ProcessingInputs=[s3_input("data", f"s3://{data}/in/", "/opt/ml/processing/input_data")],
        ProcessingOutputConfig={
            "Outputs": [s3_output("result", f"s3://{out}/results/", "/opt/ml/processing/output_data")]
        },
    )
    assert described["ProcessingJobStatus"] == "Completed", described
    assert cloud.objects(out) == {"results/copy/a.txt": "alpha"}
