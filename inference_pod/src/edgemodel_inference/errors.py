"""Everything that can go wrong here, in one tree.

InferenceError
├── SettingsError            a variable of the environment is wrong; the message names it
├── RequestError             an answer to a caller: status, message
│   ├── BadRequest           400: malformed, wrong shape or datatype; says what was expected
│   ├── Unauthorized         401 with WWW-Authenticate: no valid bearer token
│   ├── NotFound             404: unknown model, version or path
│   ├── NotAllowed           405
│   ├── BodyTooSlow          408
│   ├── BodyTooLarge         413
│   ├── WrongMediaType       415
│   ├── Unprocessable        422: well-formed, but the model fails on these values
│   │   └── TooMuchMemory    … because there is not as much memory as it asks for
│   └── Unavailable          503 with Retry-After: no model yet, queue full, out of time
├── Refused                  an artifact that must not serve; `code` is CamelCase, `lasting` says for how long
│   └── Untrusted            … because no trusted key signed it; its bytes are not to blame
├── DeviceUnusable           an accelerator does not take a graph; the processor does
├── Unreachable              an artifact that cannot be had now; tried again with growing pauses
├── Superseded               a download that a newer wish, or the end, has broken off; what came is kept
├── NotDelivered             a webhook that was not taken; `transient`: another try may help
└── CloudFault               no answer from the cloud, and why; the edge's own one goes out
"""

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:  # the supervisor imports this module, and no pydantic
    from edgemodel.cloud import CloudOutcome


class InferenceError(Exception):
    """Base of all errors of this package."""


class SettingsError(InferenceError):
    """A variable of the environment is wrong; one line per problem, each naming the variable."""


class RequestError(InferenceError):
    """An answer to a caller."""

    status: ClassVar[int] = 400
    retry_after: int | None = None
    """Seconds, as the Retry-After header."""


class BadRequest(RequestError):
    """The request is malformed; the message says what was expected."""


class Unauthorized(RequestError):
    """The caller shows no valid bearer token."""

    status = 401


class NotFound(RequestError):
    """No such model, version or path."""

    status = 404


class NotAllowed(RequestError):
    """The path exists, the method does not."""

    status = 405


class BodyTooSlow(RequestError):
    """The body did not arrive in time."""

    status = 408


class BodyTooLarge(RequestError):
    """The body is larger than this server reads."""

    status = 413


class WrongMediaType(RequestError):
    """The body is of a kind that is not read here."""

    status = 415


class Unprocessable(RequestError):
    """The model itself fails on these values."""

    status = 422


class TooMuchMemory(Unprocessable):
    """The model asks for more memory than there is for these values."""


class Unavailable(RequestError):
    """Nothing can answer now; a later attempt may succeed."""

    status = 503

    def __init__(self, message: str, *, retry_after: int = 1) -> None:
        super().__init__(message)
        self.retry_after = max(1, retry_after)


LASTING_CODES = frozenset(
    {
        "ArtifactInvalid",
        "CardInvalid",
        "CardMismatch",
        "ExternalData",
        "GoldenInvalid",
        "GoldenMismatch",
        "GoldenMissing",
        "GraphInvalid",
        "JailCrashed",
        "ModelMissing",
        "NotFinite",
        "NotOnnx",
        "TensorInvalid",
        "TooDeep",
        "TooMuchMemory",
        "UnknownOperator",
        "UnknownOpset",
    }
)
"""Codes that follow from an artifact's bytes: the same digest fails again. The others (a mirror that sends wrong
bytes, a secret or a file that is not there yet, a machine too busy for the jail) may pass and are tried again."""

MACHINE_CODES = frozenset({"JailFailed", "JailOutOfMemory", "JailTimeout", "TooSlow"})
"""Codes that tell of this machine as much as of the artifact: the same digest may do on another, or here later."""


class Refused(InferenceError):
    """An artifact that must not serve."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code

    @property
    def lasting(self) -> bool:
        """Whether the same digest would fail again."""
        return self.code in LASTING_CODES

    @property
    def blameless(self) -> bool:
        """Whether its bytes are as they should be, and may stay on the disk for another try."""
        return self.code in MACHINE_CODES


class Untrusted(Refused):
    """An artifact that no trusted key signed: it may be signed yet."""

    blameless = True


class DeviceUnusable(InferenceError):
    """An accelerator does not start, or does not take a graph."""


class Unreachable(InferenceError):
    """An artifact that cannot be had now: the registry is away, the disk is full."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


class Superseded(InferenceError):
    """A newer wish, or the end, has come during a download; what was loaded is kept for the next one."""


class NotDelivered(InferenceError):
    """A webhook was not taken; `transient`: another try may help."""

    def __init__(self, message: str, *, transient: bool = False) -> None:
        super().__init__(message)
        self.transient = transient


class CloudFault(InferenceError):
    """The cloud gave no answer that can go out; `transient`: another try may help."""

    def __init__(self, outcome: "CloudOutcome", message: str, *, transient: bool = False) -> None:
        super().__init__(message)
        self.outcome = outcome
        self.transient = transient
