"""What can go wrong, as a tree.

ClientError
├── UsageError      what was asked for makes no sense; nothing was done
├── Unreachable     nobody answered, for as long as patience lasts
├── SignInNeeded    nobody is signed in, or the sign-in has ended
├── ApiError        the API said no: status, code, field, request_id
├── StoreRefused    the bucket said no to the bytes: status, code
└── FileChanged     a file was changed while it was read
"""

from __future__ import annotations

PASSING = frozenset({429, 500, 502, 503, 504})
"""Answers that may be others a moment later."""


class ClientError(Exception):
    """`message` is a sentence for people."""

    code = "client_error"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def told(self) -> str:
        """For people, with where it is."""
        return self.message

    def as_json(self) -> dict[str, object]:
        return {"code": self.code, "message": self.message}


class UsageError(ClientError):
    code = "usage"


class Unreachable(ClientError):
    code = "unreachable"


class SignInNeeded(ClientError):
    code = "sign_in_needed"


class FileChanged(ClientError):
    code = "file_changed"


class Stopped(ClientError):
    """Somebody wants the work at hand to end."""

    code = "stopped"


class ApiError(ClientError):
    """`code` is one of those that docs/api.md lists; `field` names the part of the request that is
    to blame, "" for none; `retry_after` is in seconds, None where nothing is said."""

    def __init__(
        self,
        message: str,
        *,
        status: int,
        code: str,
        field: str = "",
        request_id: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.field = field
        self.request_id = request_id
        self.retry_after = retry_after

    @property
    def passing(self) -> bool:
        """Whether it is worth asking again soon; a used-up quota is not."""
        return self.status in PASSING and self.code != "quota_exceeded"

    @property
    def stops_all(self) -> bool:
        """Whether the next file would be answered the same."""
        return self.status in (401, 403) or self.status in PASSING

    def told(self) -> str:
        where = f"{self.field}: " if self.field else ""
        request = f" (request {self.request_id})" if self.request_id else ""
        return f"{where}{self.message}{request}"

    def as_json(self) -> dict[str, object]:
        told = {"field": self.field, "request_id": self.request_id}
        return {**super().as_json(), "status": self.status, **{k: v for k, v in told.items() if v}}


class StoreRefused(ClientError):
    """`code` is S3's (https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html)."""

    def __init__(
        self, message: str, *, status: int, code: str, retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.retry_after = retry_after

    @property
    def spoilt(self) -> bool:
        """Whether other bytes arrived than were sent."""
        return self.code in ("BadDigest", "XAmzContentChecksumMismatch", "InvalidDigest")

    @property
    def expired(self) -> bool:
        """Whether the place is no longer good; S3 has one code for every reason to refuse."""
        return self.code == "AccessDenied" and "expired" in self.message.lower()

    @property
    def passing(self) -> bool:
        return self.status in PASSING or self.code == "RequestTimeout"
