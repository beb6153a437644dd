"""The words of the status: types and reasons of conditions, reasons of events, states. Each means one thing."""

from enum import StrEnum


class ConditionType(StrEnum):
    """Types of `status.conditions`."""

    READY = "Ready"
    """A verified version answers on every node that is wanted. Always there."""
    RECONCILING = "Reconciling"
    """The operator is carrying out a wish. Only there while it is true."""
    STALLED = "Stalled"
    """The wish cannot be carried out without a person. Only there while it is true."""
    DEGRADED = "Degraded"
    """A fault of severity Critical is active, or the wished version does not serve."""
    HEALING = "Healing"
    """An action was taken about a fault and is under proof."""
    DISTILLING = "Distilling"
    """A Job trains a successor."""
    ROLLING_OUT = "RollingOut"
    """A version is on its way to the nodes."""
    TELEMETRY_FRESH = "TelemetryFresh"
    """The nodes' figures are recent enough to decide on."""
    PAUSED = "Paused"
    """A person wants nothing to be decided; nodes still heal themselves. Only there while it is true."""


class Reason(StrEnum):
    """Reasons of conditions."""

    # Ready
    SERVING = "Serving"
    """Every wanted node answers from a verified version."""
    NODES_NOT_READY = "NodesNotReady"
    """Some nodes do not answer yet, or any more; the message names them."""
    NO_NODES = "NoNodes"
    """No node matches the placement."""
    NOTHING_SERVES = "NothingServes"
    """No node has a verified version."""
    NOT_OBSERVED = "NotObserved"
    """Nothing is known about the nodes yet."""

    # Reconciling
    WAITING_FOR_NODES = "WaitingForNodes"
    """The wish is written; nodes are still carrying it out."""

    # Stalled
    INVALID_SPEC = "InvalidSpec"
    """The spec does not parse; the message names each field."""
    VERSION_QUARANTINED = "VersionQuarantined"
    """The wished version failed before; it serves again only after a person clears it."""
    ARTIFACT_REFUSED = "ArtifactRefused"
    """Nodes refuse the artifact; the message says which and why."""
    ARTIFACT_UNREACHABLE = "ArtifactUnreachable"
    """Nodes cannot fetch the artifact; the message says which and why."""
    PROGRESS_DEADLINE_EXCEEDED = "ProgressDeadlineExceeded"
    """A rollout made no progress within spec.rollout.progressDeadline."""
    NAME_TAKEN = "NameTaken"
    """An object that is not ours has the name of a child; it is left alone."""
    FORBIDDEN = "Forbidden"
    """The operator's role lacks a permission; the message names it."""

    # Degraded
    FAULT_ACTIVE = "FaultActive"
    """A critical fault is active; the message names it and its evidence."""
    VERSION_BLAMED = "VersionBlamed"
    """Enough nodes that serve one version report one fault."""
    INPUT_BLAMED = "InputBlamed"
    """All versions drift together: the input changed."""
    NODE_BLAMED = "NodeBlamed"
    """Few nodes report a fault that others of the same version do not have."""
    BACKUP_SERVING = "BackupServing"
    """Something else than the wished version serves."""
    NO_FAULT = "NoFault"
    """No critical fault is active."""

    # Healing
    ACTING = "Acting"
    """An action is being carried out."""
    SETTLING = "Settling"
    """An action was taken; it is not judged yet."""
    WAITING_FOR_EVIDENCE = "WaitingForEvidence"
    """An action has settled; too few requests were answered to judge it."""
    COOLING_DOWN = "CoolingDown"
    """The fault came back within spec.healing.cooldown."""
    TOO_MANY_HEALS = "TooManyHeals"
    """spec.healing.maxPerHour is reached; a person decides."""
    UNPROVED = "Unproved"
    """No evidence came in; nothing more is done by itself."""
    LADDER_EXHAUSTED = "LadderExhausted"
    """Every action of the strategy was tried and failed; a person decides."""
    PERSON_ASKED = "PersonAsked"
    """The strategy's next action is Alert."""
    NO_STRATEGY = "NoStrategy"
    """No strategy names the fault."""
    NOTHING_TO_HEAL = "NothingToHeal"
    """No action is under way."""

    # Distilling
    WAITING_FOR_SAMPLES = "WaitingForSamples"
    """The nodes have not pushed enough samples yet."""
    JOB_PENDING = "JobPending"
    """The Job's pod has not started; the message says why."""
    JOB_RUNNING = "JobRunning"
    """The Job trains."""
    JOB_FAILED = "JobFailed"
    """The Job ended without a result; the message has its error."""
    GATES_REJECTED = "GatesRejected"
    """The student did not pass a gate; the message names it."""
    STUDENT_ACCEPTED = "StudentAccepted"
    """The last student passed its gates."""
    NEVER_DISTILLED = "NeverDistilled"
    """No Job ran yet."""

    # RollingOut
    CANARY = "Canary"
    """The first step's nodes have the version."""
    WAVE = "Wave"
    """A later step's nodes have the version."""
    ROLLED_BACK = "RolledBack"
    """The version failed on its nodes and was taken back."""
    COMPLETE = "Complete"
    """Every node has the version."""

    # TelemetryFresh
    FRESH = "Fresh"
    """Every ready node was measured within three intervals."""
    STALE = "Stale"
    """Some ready nodes have not been measured lately; the message names them."""
    ABSENT = "Absent"
    """No node could be measured."""

    # Paused
    PAUSED_BY_PERSON = "PausedByPerson"
    """The annotation edgemodel.dev/pause is there; observedGeneration stands still until it is gone."""


class EventReason(StrEnum):
    """Reasons of the events that the operator posts; one event per transition."""

    ROLLOUT_STARTED = "RolloutStarted"
    """A version goes to its first nodes."""
    ROLLOUT_ADVANCED = "RolloutAdvanced"
    """A step was good; the next nodes follow."""
    ROLLOUT_COMPLETED = "RolloutCompleted"
    """Every node has the version."""
    FAULT_DETECTED = "FaultDetected"
    """A fault became active."""
    FAULT_CLEARED = "FaultCleared"
    """A fault is gone."""
    ROLLED_BACK = "RolledBack"
    """A version was taken back; the message says from what to what and why."""
    QUARANTINED = "Quarantined"
    """A digest will not serve again until a person clears it."""
    HEAL_STARTED = "HealStarted"
    """An action was taken about a fault."""
    HEAL_PROVED = "HealProved"
    """The fault stayed away after the action, with enough evidence."""
    HEAL_FAILED = "HealFailed"
    """The fault is there again after the action."""
    HEAL_UNPROVED = "HealUnproved"
    """Too little evidence to say whether the action helped."""
    PERSON_NEEDED = "PersonNeeded"
    """The operator does nothing more by itself; the message says what to do."""
    DISTILLATION_STARTED = "DistillationStarted"
    """A Job was made."""
    DISTILLATION_ACCEPTED = "DistillationAccepted"
    """A student passed its gates and is a candidate."""
    DISTILLATION_REJECTED = "DistillationRejected"
    """A student did not pass its gates."""
    DISTILLATION_FAILED = "DistillationFailed"
    """A Job ended without a result."""
    VERB_CARRIED_OUT = "VerbCarriedOut"
    """What a person asked for by annotation was done; the message says what."""
    VERB_REFUSED = "VerbRefused"
    """What a person asked for by annotation cannot be done; the message says why."""


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
    UNKNOWN = "Unknown"
    """Too little is known to say."""


class RolloutSource(StrEnum):
    """Who asked for a rollout."""

    SPEC = "Spec"
    """spec.version changed."""
    DISTILLED = "Distilled"
    """A student passed its gates."""


class VerbResult(StrEnum):
    """What became of something that a person asked for."""

    DONE = "Done"
    """It was carried out; the message says what was done."""
    REFUSED = "Refused"
    """Nothing was done; the message says why."""


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
