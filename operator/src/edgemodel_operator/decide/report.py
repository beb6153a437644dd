"""What people see: conditions, counts of nodes, exceptions. Built from the observation and the decided status."""

from datetime import UTC, datetime

from edgemodel.ladder import Wait
from edgemodel_operator.api.reasons import ConditionType, Reason
from edgemodel_operator.api.status import Condition, NodeException, NodesStatus, Status
from edgemodel_operator.decide import findings, findings_healing, findings_nodes, findings_people
from edgemodel_operator.decide.draft import Draft
from edgemodel_operator.decide.heal import next_for
from edgemodel_operator.decide.wave import reached
from edgemodel_operator.model.observation import Observation

ALWAYS = frozenset({ConditionType.READY})
"""Shown whatever they are; those of ONLY_WHILE_TRUE are shown only then, the others once they were true."""
ONLY_WHILE_TRUE = frozenset({ConditionType.RECONCILING, ConditionType.STALLED, ConditionType.PAUSED})

HELD = (
    Reason.COOLING_DOWN,
    Reason.DELAYED,
    Reason.HEAL_STORM,
    Reason.LADDER_EXHAUSTED,
    Reason.NODES_FIRST,
    Reason.NO_BACKUP,
    Reason.NO_STRATEGY,
    Reason.PERSON_ASKED,
    Reason.TOO_MANY_HEALS,
)
TOLD = frozenset({(ConditionType.HEALING, reason) for reason in HELD})
"""Shown from the start: why nothing is done about a fault."""


def conclude(observation: Observation, draft: Draft) -> Draft:
    """Fill in what is derived: nodes, conditions, the generation that this is about."""
    draft = draft.set(nodes=_nodes(observation, draft.status))
    found = [
        findings_nodes.ready(observation, draft.status),
        findings_nodes.reconciling(observation, draft.status),
        findings.stalled(observation, draft),
        findings.degraded(observation, draft.status),
        findings_healing.healing(observation, draft),
        findings.distilling(draft.status),
        findings.rolling_out(observation, draft.status),
        findings_people.awaiting_approval(observation, draft),
        findings_nodes.telemetry(observation),
        findings_people.paused(observation),
    ]
    old = {condition.type: condition for condition in draft.status.conditions}
    conditions = [_condition(observation, finding, old.get(finding[0])) for finding in found if finding is not None]
    shown = tuple(condition for condition in conditions if condition is not None)
    for fault in draft.status.faults:
        step, _ = next_for(observation, draft, fault)
        if isinstance(step, Wait):  # the Healing condition says why it waits, so it changes then
            draft = draft.wake_at(datetime.fromtimestamp(step.until, UTC))
    draft = draft.set(conditions=shown)
    # While paused the spec is not acted on, and the number that says so stands still.
    return draft if observation.paused else draft.set(observed_generation=observation.model.generation)


def _condition(observation: Observation, finding: findings.Finding, old: Condition | None) -> Condition | None:
    type_, status, reason, message = finding
    quiet = type_ not in ALWAYS and (type_, reason) not in TOLD
    if status is not True and (type_ in ONLY_WHILE_TRUE or (old is None and status is False and quiet)):
        return None
    word = "Unknown" if status is None else str(status)
    flipped = old is None or old.status != word
    return Condition(
        type=type_.value,
        status=word,
        reason=reason.value,
        message=message,
        observed_generation=observation.model.generation,
        last_transition_time=observation.now if flipped or old is None else old.last_transition_time,
    )


def _nodes(observation: Observation, status: Status) -> NodesStatus:
    names = {node.name for node in observation.nodes}
    ready = {pod.node for pod in observation.pods if pod.ready and pod.node in names}
    unknown = {node.name for node in observation.nodes if node.ready is not True} - ready
    # What is known of a node that does not report now is kept: it is not to be adopted, and told of, once more.
    silent = names - observation.reports.keys()
    updated, exceptions = 0, [entry for entry in status.nodes.exceptions if entry.adopted and entry.name in silent]
    adopted = {(entry.name, entry.version): entry.adopted for entry in status.nodes.exceptions}
    told, rollout = reached(observation, status.rollout), status.rollout
    target = None if rollout is None else status.find_version(rollout.to)
    goal = None if target is None else target.digest
    for name in sorted(names & set(observation.reports)):
        report = observation.reports[name]
        if report.digest == (goal if name in told else status.digest):
            updated += 1
        if report.digest != status.digest:
            reason = report.refused.get(status.digest or "") or report.reason or ""
            since = adopted.get((name, report.version))
            exceptions.append(NodeException(name=name, version=report.version, reason=reason, adopted=since))
    exceptions.sort(key=lambda entry: entry.name)
    return NodesStatus(
        desired=len(names), ready=len(ready), updated=updated, unknown=len(unknown), exceptions=tuple(exceptions)
    )
