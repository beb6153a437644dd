"""What people ask for by annotation: each answered once, in the status, with what was done or why not.

One function per verb; what cannot be done is answered with a message and changes nothing.
"""

from edgemodel.verbs import Asked, Verb, asked
from edgemodel_operator.api.answers import VerbAnswer
from edgemodel_operator.api.reasons import EventReason
from edgemodel_operator.api.states import Decision, DistillationPhase, Gate, VerbResult
from edgemodel_operator.api.status import VERBS_KEPT, DistillationStatus, VersionStatus
from edgemodel_operator.decide import approval
from edgemodel_operator.decide.distill import UNDER_WAY, next_attempt, waits_for_turn
from edgemodel_operator.decide.draft import Draft
from edgemodel_operator.decide.versions import BARRED, CLEARED, clear, serve, stop_rollout
from edgemodel_operator.decide.wish import has_news, supersede
from edgemodel_operator.model import naming
from edgemodel_operator.model.observation import Observation

Outcome = tuple[Draft | None, str]
"""What a verb made of the draft (None: it is refused), and what was done or why nothing was."""


def carry_out(observation: Observation, draft: Draft) -> Draft:
    """Do what people ask for and were not answered yet."""
    present = asked(observation.model.annotations)
    for wanted in present:
        if all(_request(answer) != wanted for answer in draft.status.verbs):
            draft = _answer(observation, draft, wanted, present)
    return draft


def _answer(observation: Observation, draft: Draft, wanted: Asked, present: tuple[Asked, ...]) -> Draft:
    changed, message = _outcome(observation, draft, wanted)
    answer = VerbAnswer(
        verb=wanted.verb,
        argument=wanted.argument,
        token=wanted.token,
        at=observation.now,
        result=VerbResult.REFUSED if changed is None else VerbResult.DONE,
        message=message,
    )
    told = f"{wanted.verb.value}: {message}"
    if changed is None:
        draft = draft.tell("Warning", EventReason.VERB_REFUSED, told)
    else:
        draft = changed.tell("Normal", EventReason.VERB_CARRIED_OUT, told)
    return draft.set(verbs=_keep((*draft.status.verbs, answer), present))


def _outcome(observation: Observation, draft: Draft, wanted: Asked) -> Outcome:
    match wanted.verb:
        case Verb.REDISTILL:
            return _redistill(observation, draft)
        case Verb.APPROVE:
            return _say(observation, draft, wanted.argument, Decision.APPROVED)
        case Verb.REJECT:
            return _say(observation, draft, wanted.argument, Decision.REJECTED)
        case Verb.PROMOTE:
            return _promote(observation, draft, wanted.argument)
        case Verb.ROLLBACK_TO | Verb.CLEAR_QUARANTINE:
            return _about_version(observation, draft, wanted)


def _about_version(observation: Observation, draft: Draft, wanted: Asked) -> Outcome:
    version = draft.version(wanted.argument)
    if version is None:
        known = ", ".join(version.name for version in draft.status.versions)
        return None, f"want one of {known}, got {wanted.argument!r}"
    if wanted.verb is Verb.ROLLBACK_TO:
        return _roll_back(observation, draft, version)
    return _clear_quarantine(observation, draft, version)


def _keep(answers: tuple[VerbAnswer, ...], present: tuple[Asked, ...]) -> tuple[VerbAnswer, ...]:
    """The newest answers, and those whose annotation is still there: it must not be carried out again."""
    over = [answer for answer in answers if _request(answer) not in present][: max(len(answers) - VERBS_KEPT, 0)]
    return tuple(answer for answer in answers if answer not in over)


def _request(answer: VerbAnswer) -> Asked:
    return Asked(answer.verb, answer.argument, answer.token)


def _clear_quarantine(observation: Observation, draft: Draft, version: VersionStatus) -> Outcome:
    refusing = sorted(name for name, report in observation.reports.items() if version.digest in report.refused)
    barred = version.state in BARRED
    if not barred and not refusing:
        return None, f"{version.name} is {version.state.value}: there is nothing to clear"
    draft = clear(observation, draft, version, CLEARED if barred else None)
    if barred:  # what was proved of it before it failed proves nothing any more
        draft = draft.change_artifact(version.digest, proved_at=None)
    message = f"{version.name} may serve again"
    wished = observation.model.spec.find_version(observation.model.spec.version)
    if not barred:
        return draft, f"{message} on {', '.join(refusing)}"
    if wished is not None and wished.digest == version.digest:
        return draft.set(wished=None), f"{message} and is rolled out: spec.version names it"
    return draft, f"{message}; spec.version or rollback-to brings it back"


def _roll_back(observation: Observation, draft: Draft, target: VersionStatus) -> Outcome:
    source, rollout = draft.status.version, draft.status.rollout
    if target.state in BARRED:
        return None, f"{target.name} is {target.state.value} ({target.reason}): clear-quarantine comes first"
    if source is None:
        return None, "nothing serves yet: spec.version decides what serves first"
    if target.digest == draft.status.digest and rollout is None:
        return draft, f"{target.name} serves already"
    draft = supersede(observation, draft, f"a person rolled back to {target.name}")
    stays = target.digest == draft.status.digest
    message = f"{target.name} goes on to serve" if stays else f"{source} → {target.name} on every node at once"
    if rollout is not None:
        draft = stop_rollout(observation, draft, rollout)
        message = f"{message}; the rollout of {rollout.to} has ended"
    return serve(draft, target, observation), message


def _redistill(observation: Observation, draft: Draft) -> Outcome:
    if observation.model.spec.distillation is None:
        return None, "spec.distillation is not set: it says what to train from"
    if has_news(observation, draft):  # both in one apply: the student is for what is wished now
        return _train(observation, supersede(observation, draft, "another version was wished"))
    hindrance = _hindrance(draft)
    return _train(observation, draft) if hindrance is None else (None, hindrance)


def _hindrance(draft: Draft) -> str | None:
    """Why no other student can be trained now."""
    running, rollout = draft.status.distillation, draft.status.rollout
    if running is not None and running.phase in UNDER_WAY:
        return f"{running.candidate} is being distilled already"
    if running is not None and waits_for_turn(draft, running):
        return f"{running.candidate} waits until a rollout has ended"
    if running is not None and approval.find(draft, Gate.PROMOTE, running.candidate or "") is not None:
        return f"{running.candidate} waits for a person: approve or reject it first"
    return None if rollout is None else f"{rollout.to} is being rolled out: ask again when it has ended"


def _train(observation: Observation, draft: Draft) -> Outcome:
    attempt = next_attempt(observation, draft)
    started = DistillationStatus(
        phase=DistillationPhase.PENDING,
        attempt=attempt,
        candidate=naming.distilled(attempt),
        job=naming.job(observation.model.name, observation.model.uid, attempt),
        started=observation.now,
        samples=sum(report.samples for report in observation.reports.values()),
    )
    message = f"{started.job}: {started.candidate} from {started.samples} edge samples"
    draft = draft.set(distillation=started).tell("Normal", EventReason.DISTILLATION_STARTED, message)
    return draft, f"{started.job} trains {started.candidate}"


def _say(observation: Observation, draft: Draft, subject: str, decision: Decision) -> Outcome:
    open_ones = approval.waiting(draft)
    named = [question for question in open_ones if subject in ("", question.subject)]
    if not open_ones:
        return None, "nothing waits for a person"
    if len(named) != 1:
        return None, f"want one of {', '.join(question.subject for question in open_ones)}, got {subject!r}"
    (question,) = named
    draft = approval.decide(observation, draft, question, decision)
    return draft, f"{question.gate.value} of {question.subject} is {decision.value}"


def _promote(observation: Observation, draft: Draft, how_far: str) -> Outcome:
    """Go on without what the present step still waits for; nodes that fail take the version back as ever."""
    rollout, last = draft.status.rollout, len(observation.model.spec.rollout.steps)
    if how_far not in ("next", "all"):
        return None, f"want next (step) or all (nodes), got {how_far!r}"
    if rollout is None:
        return None, "no version is on its way"
    if rollout.step >= last:
        return None, f"{rollout.to} goes to every node already"
    step = last if how_far == "all" else rollout.step + 1
    changed = rollout.model_copy(update={"step": step, "since": observation.now, "held_since": None, "reason": None})
    whom = "every node" if step == last else f"step {step + 1}"
    return draft.set(rollout=changed), f"{rollout.to} goes on to {whom}"
