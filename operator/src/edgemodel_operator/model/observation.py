"""Everything that is known about one EdgeModel at one moment, frozen. None means that nobody measured."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from edgemodel.ladder import ActionType, Verdict
from edgemodel.outcome import Outcome
from edgemodel.tally import Tally
from edgemodel.verbs import paused
from edgemodel.wish import Wish
from edgemodel_operator.api.reasons import Reason
from edgemodel_operator.api.resource import EdgeModel

Judged = tuple[str, ActionType, Verdict]
"""The fault, what a node did about it, and how that ended."""


@dataclass(frozen=True, slots=True)
class Target:
    """A pod to scrape, and who it is whatever it says of itself: a pod speaks for itself only."""

    address: str
    labels: Mapping[str, str]
    trains: bool = False
    """Whether it is a distillation Job's and not one that serves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A node that the placement selects. `ready` None: the control plane lost sight of it."""

    name: str
    ready: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """A serving pod. `ready` None: its node is out of sight."""

    name: str
    node: str
    ready: bool | None
    revision: int
    """The wish revision it was last nudged for; 0: for none."""
    again: int = 0
    """How often it was nudged for that once more."""
    nudged_at: datetime | None = None
    """When it was nudged last, if that was lately and by this process."""
    address: str
    waiting: str = ""
    """Why its container does not run: ContainerCreating, ImagePullBackOff and so on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What one node's pod says of itself, as of `at`."""

    node: str
    at: datetime
    version: str | None = None
    digest: str | None = None
    reason: str | None = None
    wish_revision: int | None = None
    faults: Mapping[str, bool] = field(default_factory=dict)
    """By rule name; a rule without verdict is absent."""
    refused: Mapping[str, str] = field(default_factory=dict)
    """By digest: why this node does not serve it."""
    pending: Mapping[str, str] = field(default_factory=dict)
    """By digest: why this node has not got it yet: Fetching, or the code of the last failed try."""
    answered: int = 0
    """Requests answered well since the active model was last flipped."""
    tally: Tally | None = None
    """What its requests were like since the active model was last flipped."""
    heals_last_hour: int = 0
    """Actions that this node took about faults in the last hour."""
    judged: Mapping[Judged, datetime] = field(default_factory=dict)
    """When this node judged its last such action, by its own clock; only what nodes alone do, no switches."""
    held: Mapping[str, str] = field(default_factory=dict)
    """By fault: why this node does nothing more about it by itself."""
    cloud_fails: bool = False
    """Whether its breaker keeps it from asking the cloud."""
    samples: int = 0
    """Hard samples of this node that lie in the sink."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """A firing alert that names this EdgeModel; `node` empty: all of it."""

    fault: str
    node: str
    since: datetime
    """When it began to fire, on the clock of who says so."""
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What the webhook was told of one alert; deliveries may be late, repeated and out of order."""

    fingerprint: str
    alert: Alert
    firing: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A distillation Job and how it ended (None: it did not)."""

    name: str
    attempt: int
    workers: int = 1
    running: bool
    finished: bool
    failed: bool
    outcome: Outcome | None
    message: str = ""
    waiting: str = ""
    """Why a pod of it does not run yet: a container's reason, or the scheduler's words."""
    awaited_until: datetime | None = None
    """It has ended, and the news of its pods, which have the result, is waited for until then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """How far a distillation Job says that it is."""

    candidate: str
    epoch: int
    percent: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One moment of one EdgeModel. `reports` holds fresh ones only; `children` are live objects by (kind, name)."""

    now: datetime
    model: EdgeModel
    nodes: tuple[Node, ...] = ()
    pods: tuple[Pod, ...] = ()
    leaving: tuple[Pod, ...] = ()
    """Serving pods of the workload of the other placement mode, which are there until others have taken over."""
    reports: Mapping[str, Report] = field(default_factory=dict)
    alerts: tuple[Alert, ...] | None = None
    """What Prometheus says is firing. None: no Prometheus is asked, so what the webhook brought is the level."""
    notices: tuple[Notice, ...] = ()
    """What the webhook brought and no status has yet, oldest first."""
    jobs: tuple[Job, ...] = ()
    training: Training | None = None
    wish: Wish | None = None
    obstacle: tuple[Reason, str] | None = None
    """Why the last plan could not be carried out, where another try alone does not help."""
    children: Mapping[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)
    rule_labels: Mapping[str, str] | None = None
    """Labels that a PrometheusRule is to have; None: none is made, since the cluster does not know the kind."""

    @property
    def paused(self) -> bool:
        """Whether a person wants nothing to be decided."""
        return paused(self.model.annotations)

    @property
    def reachable(self) -> tuple[str, ...]:
        """Names of nodes that are ready, run a ready pod and report, sorted."""
        ready = {pod.node for pod in self.pods if pod.ready}
        return tuple(sorted(n.name for n in self.nodes if n.ready and n.name in ready and n.name in self.reports))
