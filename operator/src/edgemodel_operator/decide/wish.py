"""What the user wishes: another spec.version starts a rollout and wins over anything under way."""

from hashlib import sha256

from edgemodel.ladder import Verdict
from edgemodel_operator.api.reasons import EventReason
from edgemodel_operator.api.states import DistillationPhase, Gate, RolloutSource, VersionState
from edgemodel_operator.api.status import VersionStatus
from edgemodel_operator.decide.distill import UNDER_WAY, waits_for_turn
from edgemodel_operator.decide.draft import Draft
from edgemodel_operator.decide.versions import BARRED, serve, start_rollout, stop_rollout
from edgemodel_operator.model.observation import Observation


def follow_wish(observation: Observation, draft: Draft) -> Draft:
    """Start what a new wish of the user asks for; it wins over anything under way."""
    target = draft.version(observation.model.spec.version)
    if target is None or target.digest == draft.status.wished:
        return draft if target is None else _follow_name(observation, draft, target)
    draft = draft.set(wished=target.digest)
    rollout = draft.status.rollout
    if target.state in BARRED:
        if rollout is not None and rollout.source is RolloutSource.SPEC:
            draft = stop_rollout(observation, draft, rollout)
        message = f"{target.name} is {target.state.value} ({target.reason}); {draft.status.version or 'nothing'} serves"
        return draft.tell("Warning", EventReason.QUARANTINED, message)
    draft = supersede(observation, draft, "another version was wished")
    if rollout is not None:
        draft = stop_rollout(observation, draft, rollout)
    if draft.status.version is None:
        return serve(draft, target, observation)
    if _nothing_serves(observation, draft):
        message = f"{draft.status.version} → {target.name} on every node at once: none ever served"
        return serve(draft.tell("Normal", EventReason.ROLLOUT_STARTED, message), target, observation)
    if draft.status.digest == target.digest:
        return _follow_name(observation, draft, target)
    return start_rollout(observation, draft, target, RolloutSource.SPEC)


def _follow_name(observation: Observation, draft: Draft, target: VersionStatus) -> Draft:
    """The same artifact was wished under another name: it is what is on its way, or serves, under that one."""
    rollout = draft.status.rollout
    going = None if rollout is None else draft.version(rollout.to)
    if rollout is not None and going is not None and (going.digest, going.name != target.name) == (target.digest, True):
        draft = draft.mark(going.name, VersionState.AVAILABLE, observation.now)
        draft = draft.mark(target.name, VersionState.CANARY, observation.now)
        return draft.set(rollout=rollout.model_copy(update={"to": target.name}))
    if draft.status.digest == target.digest and draft.status.version != target.name:
        return serve(draft, target, observation)
    return draft


def restart_analysis(observation: Observation, draft: Draft) -> Draft:
    """Begin the rollout's step anew where what it is judged by has changed: what was seen proves nothing about that."""
    rollout, spec = draft.status.rollout, observation.model.spec
    if rollout is None:
        return draft
    judged_by = sha256(f"{spec.health.dump()}{spec.rollout.dump()}".encode()).hexdigest()[:12]
    if rollout.judged_by is None or rollout.judged_by == judged_by:
        return draft.set(rollout=rollout.model_copy(update={"judged_by": judged_by}))
    anew = {"judged_by": judged_by, "since": observation.now, "held_since": None, "reason": None, "comparison": None}
    draft = draft.set(rollout=rollout.model_copy(update=anew))
    message = f"{rollout.to}: spec.health or spec.rollout has changed, so step {rollout.step + 1} begins anew"
    return draft.tell("Normal", EventReason.ROLLOUT_ADVANCED, message)


def _nothing_serves(observation: Observation, draft: Draft) -> bool:
    """No node has ever shown that it can serve the present version, so there is nothing that a canary would protect."""
    serving = draft.version(draft.status.version)
    unproved = serving is not None and serving.proved_at is None
    return unproved and all(pod.ready is False for pod in observation.pods)


def has_news(observation: Observation, draft: Draft) -> bool:
    """Whether the user wishes a version that was not acted on yet, and that may serve."""
    target = draft.version(observation.model.spec.version)
    return target is not None and target.digest != draft.status.wished and target.state not in BARRED


def supersede(observation: Observation, draft: Draft, why: str) -> Draft:
    """Close the distillation and the heals under way: a person has decided otherwise.

    A distillation that was asked for in the same breath is part of what the person decided.
    """
    distillation = draft.status.distillation
    if distillation is not None and waits_for_turn(draft, distillation):
        draft = draft.mark(distillation.candidate or "", VersionState.AVAILABLE, observation.now)
    if distillation is not None and distillation.phase in UNDER_WAY and distillation.started != observation.now:
        update = {"phase": DistillationPhase.FAILED, "reason": "Superseded", "message": why}
        draft = draft.set(distillation=distillation.model_copy(update=update))
    waits = tuple(a for a in draft.status.approvals if a.gate is not Gate.PROMOTE)
    draft = draft.set(approvals=waits) if waits != draft.status.approvals else draft
    for heal in draft.status.heals:
        if heal.verdict is None:
            draft = draft.change_heal(heal, verdict=Verdict.UNPROVED, verified_at=observation.now)
    return draft
