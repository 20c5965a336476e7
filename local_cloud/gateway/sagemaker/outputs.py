"""Takes one output of one instance to S3: at the end, or continuously while the container runs.

Nothing documents what AWS does with an EndOfJob output when the container fails; its counterpart for
batch transform uploads nothing of what failed, and that is the harsher reading, so it is ours: what
must survive a failure belongs into a Continuous output. That one is swept a last time however the
container ended.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from .errors import CALL_ERRORS, JobFailure
from .s3 import describe_error, parse_uri

UPLOADS_AT_ONCE = 4

Version = tuple[int, int]  # size and modification time: a file that keeps both between two looks is complete


class Output:
    """One output: `folder` on this machine, its S3 address, and what has been uploaded so far."""

    def __init__(self, s3: Any, output: dict[str, Any], *, ml: Path, folder: Path, kms_key: str | None) -> None:
        self.name = output["OutputName"]
        self.uri = output["S3Output"]["S3Uri"]
        self.continuous = output["S3Output"]["S3UploadMode"] == "Continuous"
        self._s3 = s3
        self._ml = ml
        self._folder = folder
        self._encryption = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": kms_key} if kms_key else {}
        self._seen: dict[Path, Version] = {}
        self._uploaded: dict[Path, Version] = {}

    def sync(self) -> None:
        """Upload what is new or changed and has stopped changing since the last call.

        A failing upload is left to the next call and, in the end, to `finish`: a permission may still
        arrive, and a job must not die of one lost connection.
        """
        now = dict(self._files())
        complete = {file: version for file, version in now.items() if self._seen.get(file) == version}
        self._seen = now
        self._upload(complete)

    def finish(self) -> None:
        """Upload all that is not uploaded yet. Raises JobFailure when something cannot be."""
        failed = self._upload(dict(self._files()))
        if failed:
            file, error = failed[0]
            raise JobFailure(
                f"ClientError: Failed to upload output '{self.name}': {self._address(file)[2]}: {describe_error(error)}"
            )

    def _files(self) -> Iterator[tuple[Path, Version]]:
        """Regular files only: symlinks are not followed
        (https://docs.aws.amazon.com/sagemaker/latest/dg/byoc-input-and-output.html)."""
        # The folder itself may have become a link, which would lead to the user's own files.
        if not self._folder.resolve().is_relative_to(self._ml.resolve()):
            return
        for parent, _, names in os.walk(self._folder):
            for name in names:
                file = Path(parent, name)
                try:
                    status = file.lstat()
                except FileNotFoundError:
                    continue
                if not file.is_symlink() and file.is_file():
                    yield file, (status.st_size, status.st_mtime_ns)

    def _upload(self, files: dict[Path, Version]) -> list[tuple[Path, Exception]]:
        due = {file: version for file, version in files.items() if self._uploaded.get(file) != version}
        if not due:
            return []
        with ThreadPoolExecutor(UPLOADS_AT_ONCE, thread_name_prefix="upload") as pool:
            outcomes = list(pool.map(self._put, due))
        failed = []
        for (file, version), error in zip(due.items(), outcomes, strict=True):
            if error is None:
                self._uploaded[file] = version
            elif not isinstance(error, FileNotFoundError):  # removed between the look and the upload
                failed.append((file, error))
        return failed

    def _put(self, file: Path) -> Exception | None:
        bucket, key, _ = self._address(file)
        try:
            with file.open("rb") as body:
                self._s3.put_object(Bucket=bucket, Key=key, Body=body, **self._encryption)
        except CALL_ERRORS as error:
            return error
        return None

    def _address(self, file: Path) -> tuple[str, str, str]:
        bucket, prefix = parse_uri(self.uri)
        relative = file.relative_to(self._folder).as_posix()
        key = f"{prefix.rstrip('/')}/{relative}" if prefix.strip("/") else relative
        return bucket, key, f"s3://{bucket}/{key}"
