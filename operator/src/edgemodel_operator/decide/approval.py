"""What waits for a person: asked once, remembered until it is decided and done, dropped when it is over.

A step that needs a person's word calls `ask` in every tick and acts on what it returns. What was asked stays in the
status for as long as the fault, the student or the rollout's step is there that it was asked about.
"""

from edgemodel_operator.api.answers import ApprovalStatus
from edgemodel_operator.api.healing import Approval
from edgemodel_operator.api.reasons import EventReason
from edgemodel_operator.api.states import Blame, Decision, Gate
from edgemodel_operator.decide.draft import Draft
from edgemodel_operator.decide.versions import BARRED
from edgemodel_operator.model.observation import Observation

ASKED_AT = {
    Gate.SWITCH_MODEL: {Approval.ALWAYS},
    Gate.REDISTILL: {Approval.ALWAYS, Approval.BEFORE_REDISTILL},
    Gate.PROMOTE: {Approval.ALWAYS, Approval.BEFORE_PROMOTE},
}
"""The values of spec.healing.approval that make a person be asked."""


def ask(
    observation: Observation, draft: Draft, gate: Gate, subject: str, message: str
) -> tuple[Draft, Decision | None]:
    """What a person said of it; None while they are waited for. Asked now where it was not asked before."""
    known = find(draft, gate, subject)
    if known is not None:
        return draft, known.decision
    since = observation.now
    if gate is Gate.ROLLOUT_STEP and draft.status.rollout is not None:  # somebody may have set the clock back
        since = max(since, draft.status.rollout.since)
    question = ApprovalStatus(gate=gate, subject=subject, since=since, message=message)
    draft = draft.set(approvals=(*draft.status.approvals, question))
    return draft.tell("Warning", EventReason.PERSON_NEEDED, f"{message}: {how_to_answer(observation, question)}"), None


def may(observation: Observation, draft: Draft, gate: Gate, subject: str, message: str) -> tuple[Draft, bool]:
    """Whether it may be done now: nobody has to be asked, or a person has said yes, which this uses up."""
    if observation.model.spec.healing.approval not in ASKED_AT[gate]:
        return forget(draft, gate, subject), True
    draft, decision = ask(observation, draft, gate, subject, message)
    return (forget(draft, gate, subject), True) if decision is Decision.APPROVED else (draft, False)


def find(draft: Draft, gate: Gate, subject: str) -> ApprovalStatus | None:
    """What was asked at `gate` about `subject`."""
    return next((a for a in draft.status.approvals if (a.gate, a.subject) == (gate, subject)), None)


def forget(draft: Draft, gate: Gate, subject: str) -> Draft:
    """It was done, or is not wanted any more."""
    known = find(draft, gate, subject)
    return draft.set(approvals=tuple(a for a in draft.status.approvals if a is not known))


def waiting(draft: Draft) -> tuple[ApprovalStatus, ...]:
    """What nobody has decided yet, oldest first."""
    return tuple(a for a in draft.status.approvals if a.decision is None)


def decide(observation: Observation, draft: Draft, question: ApprovalStatus, decision: Decision) -> Draft:
    """A person has decided."""
    decided = question.model_copy(update={"decision": decision, "decided_at": observation.now})
    return draft.set(approvals=tuple(decided if a is question else a for a in draft.status.approvals))


def tidy(_observation: Observation, draft: Draft) -> Draft:
    """Drop what is over."""
    kept = tuple(a for a in draft.status.approvals if _still_matters(draft, a))
    return draft if kept == draft.status.approvals else draft.set(approvals=kept)


def how_to_answer(observation: Observation, question: ApprovalStatus) -> str:
    """The commands, complete: the token makes each question's another one."""
    model = observation.model
    where = f"-n {model.namespace} em/{model.name}"
    value = f"{question.subject}@{question.since:%m%dT%H%M%S}"
    return (
        f"kubectl edgemodel approve {model.name} -n {model.namespace} (or reject), "
        f"or kubectl annotate --overwrite {where} edgemodel.dev/approve={value}"
    )


def _still_matters(draft: Draft, question: ApprovalStatus) -> bool:
    rollout = draft.status.rollout
    match question.gate:
        case Gate.SWITCH_MODEL | Gate.REDISTILL | Gate.LADDER:
            return any(fault.name == question.subject for fault in draft.status.faults)
        case Gate.NODE:  # what turns out to be the whole fleet's is the operator's to heal
            faults = (fault for fault in draft.status.faults if fault.name == question.subject)
            return any(fault.blame not in (Blame.VERSION, Blame.INPUT) for fault in faults)
        case Gate.STORM:
            return True
        case Gate.PROMOTE:
            student = draft.version(question.subject)
            under_way = rollout is not None and rollout.to == question.subject
            return student is not None and student.state not in BARRED and not under_way
        case Gate.ROLLOUT_STEP:
            return rollout is not None and rollout.to == question.subject and question.since >= rollout.since
