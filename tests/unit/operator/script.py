"""What is true in the simulated world, though nobody tells the operator."""

import math
import random
from dataclasses import dataclass, field
from enum import Enum, auto

from edgemodel.outcome import Outcome
from edgemodel.tally import Measure


class Lie(Enum):
    """What may be wrong with what a node exports."""

    SILENT = auto()
    """It cannot be scraped."""
    NAN = auto()
    """Every value is NaN."""
    STALE = auto()
    """The same samples as before, for ever."""
    BOAST = auto()
    """It says that it serves what it was told to, and that all is well."""


@dataclass
class Script:
    """What is true in the world, though nobody tells the operator."""

    bad: dict[str, str] = field(default_factory=dict)
    """By digest: the fault that this version shows."""
    broken: dict[str, str] = field(default_factory=dict)
    """By digest: the code with which nodes refuse it."""
    unreachable: dict[str, str] = field(default_factory=dict)
    """By digest: the code with which nodes cannot fetch it."""
    unsigned: dict[str, str] = field(default_factory=dict)
    """By digest: the code with which nodes wait for its signature, where the wish names trusted keys."""
    drift: str = ""
    """The fault that every version shows, but the robust ones."""
    robust: set[str] = field(default_factory=set)
    sick: dict[str, str] = field(default_factory=dict)
    """By node: the fault that it shows whatever it serves."""
    requests: int = 10
    """Answered by each node in a step."""
    telemetry: bool = True
    verdicts: bool = True
    """Whether the nodes' rules give verdicts."""
    heal_locally: bool = True
    job_steps: int = 3
    late_news: int = 0
    """Steps from a Job's end until the watch shows any pod of it."""
    cloudless: set[str] = field(default_factory=set)
    """Nodes that cannot ask the cloud."""
    lies: dict[str, Lie] = field(default_factory=dict)
    """By node: what is wrong with what it exports."""
    traffic: "Traffic | None" = None
    """What requests are like; None: nodes tally nothing, so that versions cannot be compared."""
    outcomes: dict[int, Outcome | None] = field(default_factory=dict)
    """By attempt; None: the Job fails without a result. Absent: a good student."""

    def fault_of(self, node: str, digest: str) -> str:
        """The fault that `node` really has with `digest`; empty: none."""
        drift = "" if digest in self.robust else self.drift
        return self.sick.get(node) or self.bad.get(digest) or drift


@dataclass
class Traffic:
    """What requests are like, by node and by digest: rules see none of it, comparisons do."""

    seconds: dict[str, float] = field(default_factory=dict)
    """By node or digest: factors of the time that an answer takes."""
    confidence: dict[str, float] = field(default_factory=dict)
    """By node or digest: what is added to the confidence."""
    errors: dict[str, float] = field(default_factory=dict)
    """By node or digest: the share of requests that fail."""
    chance: random.Random = field(default_factory=lambda: random.Random(1))  # noqa: S311 (a simulation)

    def interval(self, node: str, digest: str) -> dict[Measure, float]:
        """What one interval shows."""
        both = (node, digest)
        factor = math.prod(self.seconds.get(what, 1.0) for what in both)
        sure = 0.85 + sum(self.confidence.get(what, 0.0) for what in both)
        lost = sum(self.errors.get(what, 0.0) for what in both)
        return {
            Measure.LATENCY: math.log(0.02 * factor) + self.chance.gauss(0, 0.15),
            Measure.CONFIDENCE: min(1.0, sure + self.chance.gauss(0, 0.03)),
            Measure.ERRORS: min(1.0, max(0.0, self.chance.gauss(lost, lost / 4))),
        }
