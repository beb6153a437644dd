"""Everything that this package raises on purpose; the class's name is the code in the Outcome.

DistillError
├── BadOrder, BadSettings        what the Job was given does not parse
├── Teacher-, Dataset-, Samples-, ParentMissing     the registry or disk has no such artifact
├── Teacher-, Dataset-, Samples-, ParentInvalid     the artifact is there, and is not what it should be
├── Teacher-, ParentMismatch     input shape or classes do not fit the others'
├── SignatureMissing, SignatureInvalid     no trusted key signed the artifact
├── ArtifactCorrupt, ArtifactTooLarge
├── RegistryUnreachable          worth another try later
├── RegistryUnauthorised, RegistryRefused
├── NanLoss                      the training diverged
├── NoProgress                   nothing was done for a long time
├── OutOfMemory, DiskFull
├── WorkersMissing, WorkerLost   of several workers some did not come, or one is gone
└── InternalError                a bug of ours
Terminated is not an error: somebody asked the process to end.
"""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

import edgemodel_registry
from edgemodel_registry import (
    ArtifactInvalid,
    ArtifactMissing,
    DigestMismatch,
    Refused,
    RegistryError,
    SettingsInvalid,
    TooLarge,
    Unauthorised,
    Unreachable,
)

_ALLOCATION_FAILED = ("allocate memory", "Failed to allocate", "out of memory")
_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})


class DistillError(Exception):
    """Base of this package's errors; the message names the artifact or field, and what was wanted."""

    retryable: ClassVar[bool] = False

    @property
    def code(self) -> str:
        """The Outcome's code."""
        return type(self).__name__


class BadOrder(DistillError):
    """The order is missing or does not parse."""


class BadSettings(DistillError):
    """An environment variable, address, CA file or login that cannot be used."""


class TeacherMissing(DistillError):
    """The registry has no such teacher."""


class DatasetMissing(DistillError):
    """The registry has no such data set."""


class SamplesMissing(DistillError):
    """Edge samples that the order names by digest are not there."""


class ParentMissing(DistillError):
    """The registry does not have the serving student that the gates compare with."""


class TeacherInvalid(DistillError):
    """The teacher is not a bundle with a model that opens and answers."""


class DatasetInvalid(DistillError):
    """The data set cannot be trained on: damaged, too small, or of one class only."""


class SamplesInvalid(DistillError):
    """Edge samples that the order names by digest cannot be used."""


class ParentInvalid(DistillError):
    """The serving student is not a bundle with a model that opens and answers."""


class TeacherMismatch(DistillError):
    """The teacher's input shape is not the data set's, or there are labels that it does not know."""


class ParentMismatch(DistillError):
    """The serving student's input shape or number of classes is not the teacher's."""


class SignatureMissing(DistillError):
    """Nobody signed the artifact, and the order trusts signed ones only."""


class SignatureInvalid(DistillError):
    """None of the artifact's signatures is by a key that the order trusts."""


class ArtifactCorrupt(DistillError):
    """The bytes are not those that the digest names."""


class ArtifactTooLarge(DistillError):
    """An artifact is larger than the Job takes."""


class RegistryUnreachable(DistillError):
    """No answer from a registry, or one that says: later."""

    retryable = True


class RegistryUnauthorised(DistillError):
    """The registry wants a login, or this login may not do that."""


class RegistryRefused(DistillError):
    """The registry understood and said no."""


class NanLoss(DistillError):
    """The loss is no longer a finite number: the learning rate is too high, or the data is broken."""


class OutOfMemory(DistillError):
    """The memory that the Job may use is not enough."""

    retryable = True


class DiskFull(DistillError):
    """No space left in the work folder."""

    retryable = True


class NoProgress(DistillError):
    """Nothing was done for so long that somebody must be waiting for something that never comes."""

    retryable = True


class WorkersMissing(DistillError):
    """Of the workers of one training some did not come."""

    retryable = True


class WorkerLost(DistillError):
    """A worker of the training was killed, or cannot be reached any more."""

    retryable = True


class InternalError(DistillError):
    """Something that nobody thought of; the traceback is in the log."""


class Terminated(BaseException):
    """SIGTERM came. Not an Exception, so that no library's retry swallows it."""


def of_code(code: str) -> type[DistillError]:
    """The error with this code, as another worker of the same training tells it."""
    return next((known for known in DistillError.__subclasses__() if known.__name__ == code), InternalError)


_BY_REGISTRY_ERROR: dict[type[RegistryError], type[DistillError]] = {
    DigestMismatch: ArtifactCorrupt,
    TooLarge: ArtifactTooLarge,
    Unauthorised: RegistryUnauthorised,
    Refused: RegistryRefused,
    Unreachable: RegistryUnreachable,
    SettingsInvalid: BadSettings,
    edgemodel_registry.SignatureMissing: SignatureMissing,
    edgemodel_registry.SignatureInvalid: SignatureInvalid,
}


@contextmanager
def translating(what: str, *, missing: type[DistillError], invalid: type[DistillError]) -> Iterator[None]:
    """Turn the registry's errors about the artifact `what` into this package's."""
    try:
        yield
    except ArtifactMissing as error:
        raise missing(f"{what}: {error}") from error
    except ArtifactInvalid as error:
        raise invalid(f"{what}: {error}") from error
    except RegistryError as error:
        ours = next((ours for theirs, ours in _BY_REGISTRY_ERROR.items() if isinstance(error, theirs)), InternalError)
        raise ours(f"{what}: {error}") from error


def classify(error: Exception) -> DistillError:
    """`error` as one of ours: the disk and memory have codes of their own, the unforeseen is an InternalError."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in _NO_SPACE:
            where = f"{cause.filename}: " if cause.filename else ""
            return DiskFull(f"{where}no space left: free some, or set EDGEMODEL_WORK to a folder on another disk")
        if isinstance(cause, MemoryError) or _is_allocation_failure(cause):
            return OutOfMemory(str(cause))
        cause = cause.__cause__ or cause.__context__
    return error if isinstance(error, DistillError) else InternalError(f"{type(error).__name__}: {error}")


def _is_allocation_failure(error: BaseException) -> bool:
    # PyTorch's allocators and ONNX Runtime raise a bare RuntimeError; there is no type to ask for.
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _ALLOCATION_FAILED)
