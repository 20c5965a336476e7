"""How a request is refused and how a job fails."""

from __future__ import annotations

from botocore.exceptions import BotoCoreError, ClientError

# DescribeProcessingJob's FailureReason holds 1,024 characters (service model).
REASON_LENGTH = 1024


class ApiError(Exception):
    """A request that the service refuses: AWS's error code and a sentence."""

    def __init__(self, code: str, message: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


def invalid(message: str) -> ApiError:
    """A request that is well-formed but cannot be meant."""
    return ApiError("ValidationException", message)


class JobFailure(Exception):
    """A job that cannot go on; the text becomes its FailureReason.

    AWS begins it with whose fault it is: `ClientError:` for inputs, outputs and permissions,
    `AlgorithmError:` for the container's own exit code, `InternalServerError:` for the service.
    """

    @property
    def reason(self) -> str:
        return str(self)[:REASON_LENGTH]


# What a call to S3 or CloudWatch Logs can raise: refused by the service, or never got there.
CALL_ERRORS = (ClientError, BotoCoreError, OSError)
