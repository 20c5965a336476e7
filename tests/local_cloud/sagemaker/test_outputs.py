"""What arrives in S3 of what a container writes, and when."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

from local_cloud.gateway.sagemaker.outputs import Output

from .conftest import s3_output, wait_until


def outputs(bucket: str, mode: str, **changes) -> dict:
    output = s3_output("out", f"s3://{bucket}/results", "/opt/ml/processing/out", mode)
    return {"ProcessingOutputConfig": {"Outputs": [output], **changes}}


def test_continuous_outputs_arrive_while_the_container_runs(service):
    out = service.bucket()
    job = service.create(
        """
        import pathlib, time
        pathlib.Path("/opt/ml/processing/out/sub").mkdir()
        pathlib.Path("/opt/ml/processing/out/sub/early.txt").write_text("1")
        time.sleep(60)
        """,
        **outputs(out, "Continuous"),
    )
    wait_until(lambda: "results/sub/early.txt" in service.objects(out), seconds=15)
    assert service.describe(job)["ProcessingJobStatus"] == "InProgress"
    service.sagemaker.stop_processing_job(ProcessingJobName=job)
    service.wait(job)


def test_continuous_outputs_follow_changes_and_are_swept_after_a_failure(service):
    out = service.bucket()
    described = service.run(
        """
        import pathlib, sys, time
        file = pathlib.Path("/opt/ml/processing/out/a.txt")
        file.write_text("first")
        time.sleep(1.5)
        file.write_text("second")
        pathlib.Path("/opt/ml/processing/out/last.txt").write_text("last")
        sys.exit(3)
        """,
        **outputs(out, "Continuous"),
    )
    assert described["FailureReason"] == "AlgorithmError: , exit code: 3"
    assert service.objects(out) == {"results/a.txt": "second", "results/last.txt": "last"}


def test_a_file_that_is_still_being_written_waits_until_it_no_longer_changes(tmp_path: Path) -> None:
    put = []
    s3 = SimpleNamespace(put_object=lambda **given: put.append((given["Key"], given["Body"].read())))
    described = s3_output("out", "s3://bucket/results", "/opt/ml/processing/out", "Continuous")
    output = Output(s3, described, ml=tmp_path, folder=tmp_path, kms_key=None)
    file = tmp_path / "large.tif"
    for content in ("a", "ab", "abc"):
        file.write_text(content)
        output.sync()
    assert put == []
    output.sync()
    output.sync()
    assert put == [("results/large.tif", b"abc")]


def test_end_of_job_outputs_are_uploaded_after_success_only(service):
    script = """
    import pathlib, sys
    pathlib.Path("/opt/ml/processing/out/a.txt").write_text("a")
    sys.exit({})
    """
    good, bad = service.bucket(), service.bucket()
    jobs = [
        service.create(script.format(code), **outputs(bucket, "EndOfJob")) for code, bucket in ((0, good), (1, bad))
    ]
    assert [service.wait(job)["ProcessingJobStatus"] for job in jobs] == ["Completed", "Failed"]
    assert service.objects(good) == {"results/a.txt": "a"}
    assert service.objects(bad) == {}


def test_symbolic_links_are_not_uploaded(service):
    out = service.bucket()
    described = service.run(
        """
        import os, pathlib
        folder = pathlib.Path("/opt/ml/processing/out")
        (folder / "real").write_text("real")
        # Each leads to a file on the machine, too: one beside it, and one that is no job's to read.
        os.symlink("real", folder / "link")
        os.symlink("/etc/passwd", folder / "secret")
        os.symlink("/etc", folder / "linked-folder")
        """,
        **outputs(out, "EndOfJob"),
    )
    assert described["ProcessingJobStatus"] == "Completed", described.get("FailureReason")
    assert service.objects(out) == {"results/real": "real"}


def test_an_output_folder_replaced_by_a_link_leads_nowhere(service):
    out = service.bucket()
    service.run(
        """
        import os, pathlib
        os.rmdir("/opt/ml/processing/out")
        os.symlink("/etc", "/opt/ml/processing/out")
        """,
        **outputs(out, "EndOfJob"),
    )
    assert service.objects(out) == {}


def test_a_large_file_arrives_whole(service):
    out = service.bucket()
    described = service.run(
        """
        import pathlib
        pathlib.Path("/opt/ml/processing/out/large").write_bytes(b"0123456789abcdef" * 2_000_000)
        """,
        **outputs(out, "EndOfJob"),
    )
    assert described["ProcessingJobStatus"] == "Completed", described.get("FailureReason")
    assert service.s3.head_object(Bucket=out, Key="results/large")["ContentLength"] == 32_000_000


def test_an_output_that_cannot_be_uploaded_fails_the_job(service):
    described = service.run(
        "open('/opt/ml/processing/out/a', 'w').close()", **outputs("there-is-no-such-bucket", "EndOfJob")
    )
    assert described["ProcessingJobStatus"] == "Failed"
    assert described["FailureReason"].startswith("ClientError: Failed to upload output 'out'")
    assert "s3://there-is-no-such-bucket/results/a" in described["FailureReason"]


def test_the_key_for_outputs_is_passed_on_to_s3(service):
    out = service.bucket()
    service.run(
        "open('/opt/ml/processing/out/a', 'w').close()", **outputs(out, "EndOfJob", KmsKeyId="alias/geocadence")
    )
    head = service.s3.head_object(Bucket=out, Key="results/a")
    assert head["ServerSideEncryption"] == "aws:kms"
    assert "alias/geocadence" in head["SSEKMSKeyId"]
