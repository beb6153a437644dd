"""Which nodes a rollout has reached, and which of them are heard."""

from collections.abc import Collection, Mapping

from edgemodel.codes import OF_NODE
from edgemodel_operator.api.status_rollout import CANARIES_KEPT, RolloutStatus
from edgemodel_operator.api.types import nodes_of
from edgemodel_operator.model.observation import Observation, Report

NAMED = 5
"""Nodes of a step that a message names."""


def last_step(observation: Observation, rollout: RolloutStatus) -> bool:
    """Whether the rollout has reached everyone."""
    return rollout.step >= len(observation.model.spec.rollout.steps)


def reached(observation: Observation, rollout: RolloutStatus | None) -> frozenset[str]:
    """Nodes that are told to serve the rollout's version: those that were chosen, in the last step all."""
    if rollout is None:
        return frozenset()
    if last_step(observation, rollout):
        return frozenset(node.name for node in observation.nodes)
    return frozenset(rollout.nodes)


def heard(observation: Observation, nodes: Collection[str]) -> dict[str, Report]:
    """Reports of those of `nodes` that are in sight, by node and in the order of names."""
    return {node: observation.reports[node] for node in observation.reachable if node in nodes}


def wished(observation: Observation, rollout: RolloutStatus) -> int:
    """How many nodes the present step is to have."""
    total = len(observation.nodes)
    if last_step(observation, rollout) or not total:
        return total
    return nodes_of(observation.model.spec.rollout.steps[rollout.step].nodes, total)


def able(reports: Mapping[str, Report], digest: str) -> dict[str, Report]:
    """Of `reports` those of nodes that can take the artifact, as far as is known: a slow one says nothing about it."""
    codes = {node: {r.refused.get(digest), r.pending.get(digest)} for node, r in reports.items()}
    return {node: report for node, report in reports.items() if codes[node].isdisjoint(OF_NODE)}


def choose(observation: Observation, rollout: RolloutStatus, digest: str) -> tuple[str, ...]:
    """The step's nodes: those chosen stay, others make up for those out of sight and for those that cannot take it.

    In the last step the first of all.

    No more than a status names: who was chosen must be known later, or nodes would go to and fro.
    """
    fleet = {node.name for node in observation.nodes}
    if last_step(observation, rollout):
        return tuple(sorted(fleet)[:CANARIES_KEPT])
    chosen = fleet.intersection(rollout.nodes)
    missing = wished(observation, rollout) - len(able(heard(observation, chosen), digest))
    others = [name for name in observation.reachable if name not in chosen]
    return tuple(sorted([*chosen, *others[: max(min(missing, CANARIES_KEPT - len(chosen)), 0)]]))


def some(nodes: Collection[str]) -> str:
    """The first nodes by name, and how many more: a wave may have a thousand."""
    more = len(nodes) - NAMED
    return ", ".join(sorted(nodes)[:NAMED]) + (f" and {more} more" if more > 0 else "")


def where(observation: Observation, rollout: RolloutStatus) -> str:
    """The nodes that it has reached, in words, and what keeps the step from having as many as the user wants."""
    named, wanted = some(reached(observation, rollout)) or "no node yet", wished(observation, rollout)
    if last_step(observation, rollout) or wanted <= CANARIES_KEPT:
        return named
    return f"{named} (step {rollout.step + 1} wants {wanted} nodes: before the last step {CANARIES_KEPT} are the most)"
