"""The words of the status for what becomes of versions, faults, rollouts and distillations."""

from enum import StrEnum


class Origin(StrEnum):
    """Where a version comes from."""

    SPEC = "Spec"
    DISTILLED = "Distilled"


class VersionState(StrEnum):
    """What became of a version."""

    AVAILABLE = "Available"
    """May serve."""
    CANARY = "Canary"
    """Serves on the nodes of a rollout's steps."""
    SERVING = "Serving"
    """Serves on every node but the exceptions."""
    QUARANTINED = "Quarantined"
    """Failed while serving; serves again only after a person clears it."""
    REJECTED = "Rejected"
    """Did not pass its gates, or nodes refuse it."""


class Blame(StrEnum):
    """Whose fault a fault is."""

    VERSION = "Version"
    """Enough nodes that serve it report the fault, and there is something good to compare with, or it is new."""
    NODE = "Node"
    """Too few of the nodes that serve the version report the fault."""
    INPUT = "Input"
    """The backup shows the fault as well, or a version that had been proved good drifts everywhere."""
    CLOUD = "Cloud"
    """It is about how often the cloud answers, or about what callers see while the cloud fails on enough nodes."""
    TELEMETRY = "Telemetry"
    """The nodes that reported it do not report any more: it is neither gone nor acted upon."""


class RolloutSource(StrEnum):
    """Who asked for a rollout."""

    SPEC = "Spec"
    """spec.version changed."""
    DISTILLED = "Distilled"
    """A student passed its gates."""


class RolloutWait(StrEnum):
    """What a step of a rollout waits for."""

    NODES = "WaitingForNodes"
    """Nodes of the step do not serve the version yet, or are out of sight."""
    HOLD = "Holding"
    """They serve it; the step's hold is not over."""
    EVIDENCE = "WaitingForEvidence"
    """Fewer requests were answered than spec.rollout.judge.minSamples, or a rule that could fire has no verdict yet."""
    INPUT = "InputDrifts"
    """The version before shows the same fault: the input changed, and the step says nothing about the version."""
    COMPARISON = "WaitingForComparison"
    """It looks worse than the version before, by figures that chance may explain: more of them decide."""
    APPROVAL = "AwaitingApproval"
    """It was good; spec.rollout.steps[].approve wants a person to say so."""


class Regression(StrEnum):
    """What the comparison with the version before has shown, beyond chance and the bounds of spec.rollout.judge."""

    LATENCY = "WorseLatency"
    """It answers more slowly than maxLatencyRatio allows."""
    CONFIDENCE = "WorseConfidence"
    """It is less confident than maxConfidenceDrop allows."""
    ERRORS = "MoreErrors"
    """It fails on more requests than maxErrorIncrease allows."""


class VerbResult(StrEnum):
    """What became of something that a person asked for."""

    DONE = "Done"
    """It was carried out; the message says what was done."""
    REFUSED = "Refused"
    """Nothing was done; the message says why."""


class Gate(StrEnum):
    """What waits for a person's word."""

    SWITCH_MODEL = "SwitchModel"
    """The operator would leave a blamed version for the backup; spec.healing.approval is Always."""
    REDISTILL = "Redistill"
    """The operator would train a successor; spec.healing.approval is BeforeRedistill or Always."""
    PROMOTE = "Promote"
    """A student passed its gates and would go to its first node; spec.healing.approval is BeforePromote or Always."""
    ROLLOUT_STEP = "RolloutStep"
    """A step of the rollout was good, and the next one waits for a person."""
    STORM = "Storm"
    """Too many heals were taken in the fleet, so that healing has stopped; approve lets it go on."""
    NODE = "Node"
    """A node has done what it may about a fault of its own; any answer says that somebody looks after it."""
    LADDER = "Ladder"
    """The ladder of a fault has come to an end, or to an Alert; approve goes on with it or begins it anew."""


class Decision(StrEnum):
    """What a person said."""

    APPROVED = "Approved"
    REJECTED = "Rejected"


class DistillationPhase(StrEnum):
    """How far a distillation is."""

    WAITING_FOR_SAMPLES = "WaitingForSamples"
    """The nodes have not pushed enough samples yet."""
    PENDING = "Pending"
    """The Job is made; its pod has not started."""
    RUNNING = "Running"
    """The Job trains."""
    ACCEPTED = "Accepted"
    """There is a candidate."""
    REJECTED = "Rejected"
    """The student did not pass its gates."""
    FAILED = "Failed"
    """The Job ended without a result."""
