"""The fleet guard: few nodes interrupt themselves at a time, not where too few others serve, and no storm of heals.

Nodes act by themselves, with or without a link, so the guard is in their wish: turns that the clock gives out, which
hold without a link; and what is held back, which a node learns as soon as a wish reaches it.
"""

from datetime import timedelta

from edgemodel.ladder import NODE_ACTIONS, ActionType
from edgemodel.turns import turns_for
from edgemodel.wish import Held
from edgemodel_operator.api.answers import HealingStatus
from edgemodel_operator.api.states import Decision, Gate
from edgemodel_operator.api.types import nodes_of
from edgemodel_operator.decide import approval
from edgemodel_operator.decide.draft import Draft
from edgemodel_operator.model.observation import Observation

HOUR = timedelta(hours=1)
FEWEST = 10
"""So many heals in an hour are no storm in a fleet of any size."""
SUBJECT = "healing"
"""What approve names to let healing go on in a storm."""


def count(observation: Observation, draft: Draft) -> Draft:
    """Count the heals of the last hour, and ask a person where there are too many."""
    heals = [heal for heal in draft.status.heals if heal.action is not ActionType.ALERT and not heal.nodes]
    own = [heal.at for heal in heals if heal.at > observation.now - HOUR]
    known = draft.status.healing
    nodes = sum(r.heals_last_hour for r in observation.reports.values()) if observation.reports else known.nodes
    counted = HealingStatus(last_hour=len(own) + nodes, nodes=nodes)
    draft = draft if counted == known else draft.set(healing=counted)
    draft = draft.wake_at(own[0] + HOUR) if own else draft
    most = most_heals(observation)
    if counted.last_hour > most:
        about = (
            f"{counted.last_hour} heals in the last hour on {len(observation.nodes)} nodes, {most} are allowed "
            "(spec.healing.fleetGuard.maxHealsPerNode): nothing is healed by itself until half as many are left"
        )
        return approval.ask(observation, draft, Gate.STORM, SUBJECT, about)[0]
    return draft if counted.last_hour * 2 > most else approval.forget(draft, Gate.STORM, SUBJECT)


def most_heals(observation: Observation) -> int:
    """How many heals in an hour are no storm."""
    return max(FEWEST, observation.model.spec.healing.fleet_guard.max_heals_per_node * len(observation.nodes))


def storming(draft: Draft) -> bool:
    """Whether there were too many heals, and no person has said that healing goes on."""
    asked = approval.find(draft, Gate.STORM, SUBJECT)
    return asked is not None and asked.decision is not Decision.APPROVED


def held(observation: Observation, draft: Draft) -> Held:
    """What nodes are not to do now."""
    if storming(draft):
        return Held.EVERYTHING
    return Held.NODE_ACTIONS if _tempted(observation, draft) and too_few_serve(observation) else Held.NOTHING


def turns(observation: Observation) -> int:
    """In how many turns nodes do what may interrupt them."""
    names = [node.name for node in observation.nodes]
    strategies = observation.model.spec.healing.strategies
    if not names or not any(action.type in NODE_ACTIONS for strategy in strategies for action in strategy.actions):
        return 1
    return turns_for(names, nodes_of(observation.model.spec.healing.fleet_guard.max_concurrent, len(names)))


def too_few_serve(observation: Observation) -> bool:
    """Whether fewer would serve than wanted, if as many nodes as may do so interrupted themselves now."""
    guard, total = observation.model.spec.healing.fleet_guard, len(observation.nodes)
    names = {node.name for node in observation.nodes}
    serving = len({pod.node for pod in observation.pods if pod.ready and pod.node in names})
    return total > 0 and serving - nodes_of(guard.max_concurrent, total) < least(guard.min_serving, total)


def least(share: int | str, total: int) -> int:
    """How many of `total` nodes are to serve: a share is rounded down, so that a fleet of one can heal itself."""
    return share if isinstance(share, int) else total * int(share.removesuffix("%")) // 100


def _tempted(observation: Observation, draft: Draft) -> bool:
    """Whether a fault is active that nodes may interrupt themselves for."""
    strategies = (observation.model.spec.healing.strategy(fault.name) for fault in draft.status.faults)
    return any(action.type in NODE_ACTIONS for s in strategies if s is not None for action in s.actions)
