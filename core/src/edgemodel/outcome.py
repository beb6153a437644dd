"""The result of a distillation Job: the JSON in its termination message (the kubelet keeps 4,096 bytes)."""

import math

from pydantic import Field, ValidationError

from edgemodel.document import Digest, Document, describe

MESSAGE_LIMIT = 4096
"""Bytes of a termination message: https://kubernetes.io/docs/tasks/debug/debug-application/determine-reason-pod-failure/"""


class OutcomeError(ValueError):
    """A termination message that is not a result."""


class Gate(Document):
    """One gate: what was wanted, what was measured, whether it let the student pass."""

    name: str
    want: float
    got: float
    passed: bool

    def words(self) -> str:
        """Both numbers for people."""
        return f"want {figure(self.want)}, got {figure(self.got)}"


class Choice(Document):
    """One form of the student that could have shipped: what it costs, and why it does or does not."""

    name: str
    size: int
    """Bytes of model.onnx."""
    macs: int = 0
    """Multiplications for one sample."""
    accuracy: float
    latency_ms: float
    """Median of one sample at a time; all forms in the same run, on the same threads."""
    latency_ms16: float
    """Median of a batch of 16."""
    ships: bool
    why: str
    reason: str = Field(default="", exclude=True)
    """`why` without a time: equal runs have equal reports."""


class Outcome(Document):
    """How a distillation ended. `code` is CamelCase: Accepted, Rejected, or an error's code."""

    code: str
    message: str = ""
    digest: Digest | None = None
    """The pushed candidate; only with code Accepted."""
    gates: tuple[Gate, ...] = ()
    scores: dict[str, float] = Field(default={})
    choice: tuple[Choice, ...] = ()
    """The forms that were compared; empty where there was one only."""
    edge_samples: int = 0

    @property
    def accepted(self) -> bool:
        """Whether there is a candidate that may ship."""
        return self.code == "Accepted" and self.digest is not None


def figure(number: float) -> str:
    """A measured number for people: four digits, and whole thousands apart."""
    if math.isfinite(number) and abs(number) >= 10_000:  # noqa: PLR2004 (more digits than four)
        return f"{number:,.0f}"
    return f"{number:.4g}"


def parse(text: str) -> Outcome:
    """Read a termination message.

    Raises:
        OutcomeError: says what is wrong with it.
    """
    try:
        return Outcome.model_validate_json(text)
    except ValidationError as error:
        raise OutcomeError(describe(error, "result")) from error
