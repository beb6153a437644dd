"""What each condition says, and why: one function per condition, of the observation and the decided status."""

from collections.abc import Mapping

from edgemodel.codes import explain
from edgemodel.faults import Severity
from edgemodel_operator.api.reasons import ConditionType, Reason
from edgemodel_operator.api.states import Blame, DistillationPhase, RolloutWait
from edgemodel_operator.api.status import Status, VersionStatus
from edgemodel_operator.api.types import format_duration
from edgemodel_operator.decide.adoption import way_back
from edgemodel_operator.decide.distill import TOO_FEW_SAMPLES, UNDER_WAY
from edgemodel_operator.decide.draft import Draft
from edgemodel_operator.decide.rollout import deadline
from edgemodel_operator.decide.versions import BARRED
from edgemodel_operator.decide.wave import reached, where
from edgemodel_operator.model.observation import Observation

UNSIGNED = frozenset({"SignatureMissing", "SignatureInvalid"})
"""Codes of nodes to which an artifact's signature is not good enough, whatever they do about it."""

Finding = tuple[ConditionType, bool | None, Reason, str]
"""Type, status, reason, message."""


def grouped(reasons: Mapping[str, str]) -> str:
    """Nodes by their reason, each code with its words: what it means and what to do."""
    nodes: dict[str, list[str]] = {}
    for node in sorted(reasons):
        nodes.setdefault(reasons[node], []).append(node)
    words = {reason: f" ({explain(reason)})" if reason else "" for reason in nodes}
    return ", ".join(", ".join(names) + words[reason] for reason, names in nodes.items())


def stalled(observation: Observation, draft: Draft) -> Finding:
    """Whether a person is needed before the wish can be carried out."""
    status = draft.status
    if observation.obstacle is not None:
        reason, message = observation.obstacle
        return ConditionType.STALLED, True, reason, message
    rollout, wished = status.rollout, status.find_version(observation.model.spec.version)
    due = None if rollout is None else deadline(observation, rollout)
    away = _unreachable(observation, status)
    if away is not None:
        return ConditionType.STALLED, True, *away
    if due is not None and rollout is not None and observation.now >= due:
        limit = format_duration(observation.model.spec.rollout.progress_deadline)
        nodes = len(reached(observation, rollout))
        message = (
            f"{rollout.to}: no progress for {limit}: {rollout.reason}; it stays on {nodes} nodes until that changes, "
            "or a person decides: kubectl edgemodel promote or rollback"
        )
        return ConditionType.STALLED, True, Reason.PROGRESS_DEADLINE_EXCEEDED, message
    if wished is not None and wished.state in BARRED and not _succeeded(status):
        message = f"{wished.name} is {wished.state.value} ({wished.reason}): wish another version, or clear it"
        return ConditionType.STALLED, True, Reason.VERSION_QUARANTINED, message
    refusals = {name: why for name in observation.reports if (why := _code(observation, status, name))}
    if refusals and len(refusals) == len(observation.reports):
        message = f"{status.version} is refused by {grouped(refusals)}"
        return ConditionType.STALLED, True, Reason.ARTIFACT_REFUSED, message
    return ConditionType.STALLED, False, Reason.NO_FAULT, ""


def _unreachable(observation: Observation, status: Status) -> tuple[Reason, str] | None:
    """What the nodes that are to have an artifact cannot fetch, or may not take, where none of them does."""
    name = status.rollout.to if status.rollout is not None else status.version
    version = status.find_version(name) if name is not None else None
    if version is None:
        return None
    codes = {n: r.pending[version.digest] for n, r in observation.reports.items() if version.digest in r.pending}
    reached = any(report.digest == version.digest for report in observation.reports.values())
    if reached or not codes or "Fetching" in codes.values():
        return None
    if set(codes.values()) <= UNSIGNED:
        return Reason.ARTIFACT_REFUSED, f"{version.name} is not taken by {grouped(codes)}"
    message = f"{version.name}: {version.uri} cannot be fetched by {grouped(codes)}; it is tried again and again"
    return Reason.ARTIFACT_UNREACHABLE, message


def _code(observation: Observation, status: Status, node: str) -> str | None:
    """Why `node` refuses the artifact that is to serve, where that is no fault of serving."""
    refused = observation.reports[node].refused.get(status.digest or "")
    return refused if refused and observation.model.spec.health.rule(refused) is None else None


def _succeeded(status: Status) -> bool:
    """A distilled successor serves, so that nobody waits for the wished version any more."""
    serving = status.find_version(status.version) if status.version else None
    return serving is not None and serving.origin.value == "Distilled"


def _left(status: Status, wished: VersionStatus) -> bool:
    """Whether the wish was carried out, and something else serves since: a person wanted that, or its rollout ended."""
    acted_upon = status.wished == wished.digest and status.rollout is None
    return acted_upon and status.digest not in (None, wished.digest) and not _succeeded(status)


def degraded(observation: Observation, status: Status) -> Finding:
    """Whether a critical fault is active, or something else serves than was wished."""
    critical = {rule.name for rule in observation.model.spec.health.rules if rule.severity is Severity.CRITICAL}
    active = [
        fault
        for fault in status.faults
        if fault.name in critical or observation.model.spec.health.rule(fault.name) is None
    ]
    if active:
        name, version = observation.model.name, status.version
        message = "; ".join(
            f"{f.name} on {', '.join(f.nodes)} ({f.blame.value} is blamed: {_WORDS[f.blame].format(name, version)})"
            for f in active
        )
        return ConditionType.DEGRADED, True, _REASON_OF_BLAME[active[0].blame], message
    wished = status.find_version(observation.model.spec.version)
    if wished is not None and wished.state in BARRED and not _succeeded(status):
        message = f"{status.version} serves instead of {wished.name}, which is {wished.state.value} ({wished.reason})"
        return ConditionType.DEGRADED, True, Reason.BACKUP_SERVING, message
    if wished is not None and _left(status, wished):
        message = f"{status.version} serves instead of {wished.name}, which was left; {wished.name} is rolled out "
        message += "again when spec.version names another version and then it, or rollback-to names it"
        return ConditionType.DEGRADED, True, Reason.BACKUP_SERVING, message
    message = "no critical fault is active"
    adopted = [entry for entry in status.nodes.exceptions if entry.adopted is not None]
    message += "".join(f"; {e.name} left {status.version} for {e.version} by itself ({e.reason})" for e in adopted)
    if adopted:
        message += f"; {way_back(observation, status)}"
    return ConditionType.DEGRADED, False, Reason.NO_FAULT, message


_WORDS = {
    Blame.VERSION: "enough nodes that serve {1} report it, and spec.healing says what is done",
    Blame.INPUT: "every version shows it; look at the input, or wait for a successor if spec.healing names Redistill",
    Blame.NODE: "others that serve {1} do not report it; if it does not heal by itself, see edgemodel doctor {0}",
    Blame.CLOUD: "no version or node is; edges answer without it; see spec.cloud and edgemodel_cloud_requests_total",
    Blame.TELEMETRY: "they do not report any more, so nothing is done; see edgemodel doctor {0}",
}
"""Why, and what to do: {0} is the EdgeModel, {1} the version that serves."""


_REASON_OF_BLAME = {
    Blame.VERSION: Reason.VERSION_BLAMED,
    Blame.INPUT: Reason.INPUT_BLAMED,
    Blame.NODE: Reason.NODE_BLAMED,
    Blame.CLOUD: Reason.CLOUD_BLAMED,
    Blame.TELEMETRY: Reason.TELEMETRY_BLAMED,
}


def distilling(status: Status) -> Finding | None:
    """Whether a successor is being trained, or how the last training ended; nothing where there was none."""
    distillation = status.distillation
    if distillation is None:
        return None
    details = f"{distillation.candidate}: {distillation.message or distillation.reason or distillation.job or ''}"
    reason = {
        DistillationPhase.WAITING_FOR_SAMPLES: Reason.WAITING_FOR_SAMPLES,
        DistillationPhase.PENDING: Reason.JOB_PENDING,
        DistillationPhase.RUNNING: Reason.JOB_RUNNING,
        DistillationPhase.ACCEPTED: Reason.STUDENT_ACCEPTED,
        DistillationPhase.REJECTED: Reason.GATES_REJECTED,
        DistillationPhase.FAILED: Reason.JOB_FAILED,
    }[distillation.phase]
    if distillation.reason == TOO_FEW_SAMPLES:
        reason = Reason.TOO_FEW_SAMPLES
    return ConditionType.DISTILLING, distillation.phase in UNDER_WAY, reason, details


def rolling_out(observation: Observation, status: Status) -> Finding:
    """Whether a version is on its way."""
    rollout = status.rollout
    if rollout is None:
        taken_back = next((v for v in status.versions if v.digest == status.wished and v.state in BARRED), None)
        if taken_back is not None and not _succeeded(status):
            message = f"{taken_back.name} was taken back: {taken_back.reason}"
            return ConditionType.ROLLING_OUT, False, Reason.ROLLED_BACK, message
        return ConditionType.ROLLING_OUT, False, Reason.COMPLETE, "no version is on its way"
    reason = Reason.CANARY if rollout.step == 0 else Reason.WAVE
    message = f"{status.version} → {rollout.to} on {where(observation, rollout)}"
    if rollout.reason == RolloutWait.INPUT.value:
        shown = ", ".join(fault.name for fault in status.faults if fault.blame is Blame.INPUT)
        message += f"; both show {shown}: the input changed, or neither is good; Healing says what is done about it"
    return ConditionType.ROLLING_OUT, True, reason, message
