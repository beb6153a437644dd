"""Where the operator's power ends: at a person, and at what only nodes can do."""

from itertools import takewhile

from edgemodel.ladder import LOCAL_ACTIONS, NODE_ACTIONS, patience
from edgemodel.turns import TURN
from edgemodel_operator.api.healing import Action
from edgemodel_operator.api.reasons import Reason
from edgemodel_operator.api.states import Blame, Decision, Gate
from edgemodel_operator.api.status import FaultStatus
from edgemodel_operator.decide import approval, guard
from edgemodel_operator.decide.draft import Draft
from edgemodel_operator.decide.versions import backup_of
from edgemodel_operator.model.observation import Observation


def ask_person(observation: Observation, draft: Draft, fault: FaultStatus, reason: str, *, applies: bool) -> Draft:
    """Nothing more is done by itself: say what was tried, and that approve begins the ladder anew."""
    asked = approval.find(draft, Gate.LADDER, fault.name)
    if asked is not None and asked.decision is Decision.APPROVED:  # it was begun anew, and has ended again
        draft = approval.forget(draft, Gate.LADDER, fault.name)
    why = "no action is left"
    if reason == "TooManyHeals":
        why = f"{observation.model.spec.healing.max_per_hour} heals in an hour (spec.healing.maxPerHour)"
    elif not applies:
        why = "no action of its strategy applies"
        if fault.blame is Blame.VERSION and backup_of(observation, draft, draft.status.version) is None:
            why = f"nothing was proved good to fall back to; {draft.status.version} goes on serving"
    elif reason == Reason.ALERT_ANSWERED.value:
        why = "its alert goes on, though it was acted upon and no node reports the fault"
    message = f"{fault.name} ({fault.blame.value} is blamed): {why}; {tried_about(draft, fault.name)}"
    return approval.ask(observation, draft, Gate.LADDER, fault.name, message)[0]


def ask_about_nodes(observation: Observation, draft: Draft, fault: FaultStatus) -> Draft:
    """The fleet is well; a node that has done what it may needs somebody to look at it."""
    done = [f"{node} ({why})" for node in fault.nodes if (why := _given_up(observation, node, fault.name))]
    strategy = observation.model.spec.healing.strategy(fault.name)
    if fault.blame is not Blame.NODE or strategy is None or not done:
        return draft
    tried = ", ".join(action.type.value for action in strategy.actions if action.type in LOCAL_ACTIONS)
    message = f"{fault.name} is still there on {', '.join(done)} after what a node may do ({tried}): look at the node"
    return approval.ask(observation, draft, Gate.NODE, fault.name, message)[0]


def _given_up(observation: Observation, node: str, fault: str) -> str | None:
    """Why `node` does nothing more about `fault` by itself; None where it does, or is silent."""
    report = observation.reports.get(node)
    return None if report is None else report.held.get(fault)


def nodes_done(observation: Observation, fault: FaultStatus, action: Action) -> float:
    """When the operator goes on to `action`, in seconds of the epoch: what only nodes can take may come before it.

    At once where all nodes that report the fault have done what they may; else when they should have.
    """
    strategy, healing = observation.model.spec.healing.strategy(fault.name), observation.model.spec.healing
    before = () if strategy is None else strategy.actions[: strategy.actions.index(action)]
    own = list(takewhile(lambda a: a.type in LOCAL_ACTIONS, before))
    seen = [node for node in fault.nodes if node in observation.reports]
    if not any(a.type in NODE_ACTIONS for a in own) or all(_given_up(observation, n, fault.name) for n in seen):
        return 0.0
    turn = guard.turns(observation) * TURN
    health = observation.model.spec.health
    each = healing.settle + patience(health.rule(fault.name), health.interval) + turn
    return fault.since.timestamp() + sum(each + a.delay for a in own)


def tried_about(draft: Draft, fault: str) -> str:
    """What was tried about `fault`, in words."""
    heals = [heal for heal in draft.status.heals if heal.fault == fault and not heal.nodes]
    words = [f"{heal.action.value} {heal.verdict.value if heal.verdict else 'under proof'}" for heal in heals]
    no = [a for a in draft.status.approvals if a.subject == fault and a.decision is Decision.REJECTED]
    words += [f"{a.gate.value} rejected by a person" for a in no]
    return f"tried: {', '.join(words[-6:]) or 'nothing'}"
