"""S3 addresses, and what went wrong with them in one line."""

from __future__ import annotations

from pathlib import Path

from botocore.exceptions import ClientError


def parse_uri(uri: str) -> tuple[str, str]:
    """`s3://bucket/some/key` → `("bucket", "some/key")`; the key may be empty."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key


def describe_error(error: Exception) -> str:
    """`AccessDenied: …` of a refusal by the service, else the exception's own words."""
    if isinstance(error, ClientError):
        details = error.response.get("Error", {})
        return f"{error.operation_name}: {details.get('Code', 'Unknown')}: {details.get('Message', '')}"
    return f"{type(error).__name__}: {error}"


def below(folder: Path, relative: str) -> Path | None:
    """The path of `relative` below `folder`, or None when it would climb out of it."""
    parts = [part for part in relative.split("/") if part not in ("", ".")]
    return None if ".." in parts else folder.joinpath(*parts)
