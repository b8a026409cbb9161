"""Every error this product raises on purpose.

    IntellisenseError
    ├── Permanent            trying again cannot help; the message says why and how to mend it
    │   ├── InvalidRequest       400  the caller's request breaks a rule; `field` names the part
    │   │   └── UnsupportedType  415  the file's type is none of the image types
    │   ├── Unauthorized         401  no caller could be made out
    │   ├── Forbidden            403  this caller may not do that
    │   ├── NotFound             404  no such image or route
    │   ├── TooLarge             413  bytes or pixels over a limit
    │   ├── QuotaExceeded        429  the caller's uploads of today are used up
    │   ├── UnreadableImage      422  the bytes are not an image we read, or a broken one
    │   ├── ConfigurationError   500  a setting is missing or contradicts another
    │   └── ModelError           500  a model folder is incomplete, contradictory or corrupt
    │       └── UnusableVector   500  the model gave no usable vector for this one input
    └── Transient            the same call may succeed later; a queue message is retried
        ├── StorageUnavailable   503  S3 did not answer
        ├── QueueUnavailable     503  SQS did not answer
        ├── IndexUnavailable     503  the index did not answer
        ├── DecoderUnavailable   503  no decoding child process could be started
        ├── QuotaUnavailable     503  uploads could not be counted
        ├── SignInUnavailable    503  whoever signs the tokens, or keeps a key, did not answer
        └── OutOfTime            503  the deadline came before the work was done

`code` is stable: callers may branch on it. `status` is the HTTP status it is answered with.
"""

from __future__ import annotations

from typing import ClassVar


class IntellisenseError(Exception):
    """The root. `message` is one sentence for a person; `field` names the part of the request."""

    default_code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500

    def __init__(self, message: str, *, code: str | None = None, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.field = field


class Permanent(IntellisenseError):
    """Trying again cannot help."""


class InvalidRequest(Permanent):
    default_code = "invalid_request"
    status = 400


class UnsupportedType(InvalidRequest):
    default_code = "unsupported_type"
    status = 415


class Unauthorized(Permanent):
    """`challenge` is what the header WWW-Authenticate says (RFC 9110, 11.6.1)."""

    default_code = "unauthorized"
    status = 401

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        field: str | None = None,
        challenge: str = "Bearer",
    ) -> None:
        super().__init__(message, code=code, field=field)
        self.challenge = challenge


class Forbidden(Permanent):
    default_code = "forbidden"
    status = 403


class NotFound(Permanent):
    default_code = "not_found"
    status = 404


class TooLarge(Permanent):
    default_code = "too_large"
    status = 413


class QuotaExceeded(Permanent):
    """`retry_after`: seconds until it begins anew, for the header Retry-After (RFC 9110, 10.2.3).
    Permanent: until then, trying again cannot help."""

    default_code = "quota_exceeded"
    status = 429

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        field: str | None = None,
        retry_after: int = 1,
    ) -> None:
        super().__init__(message, code=code, field=field)
        self.retry_after = retry_after


class UnreadableImage(Permanent):
    default_code = "unreadable_image"
    status = 422


class ConfigurationError(Permanent):
    default_code = "configuration"
    status = 500


class ModelError(Permanent):
    default_code = "model"
    status = 500


class UnusableVector(ModelError):
    """The input's fault as much as the model's: others may well be embedded."""


class Transient(IntellisenseError):
    """The same call may succeed later."""

    status = 503


class StorageUnavailable(Transient):
    default_code = "storage_unavailable"


class QueueUnavailable(Transient):
    default_code = "queue_unavailable"


class IndexUnavailable(Transient):
    default_code = "index_unavailable"


class DecoderUnavailable(Transient):
    default_code = "decoder_unavailable"


class QuotaUnavailable(Transient):
    default_code = "quota_unavailable"


class SignInUnavailable(Transient):
    default_code = "sign_in_unavailable"


class OutOfTime(Transient):
    default_code = "out_of_time"
