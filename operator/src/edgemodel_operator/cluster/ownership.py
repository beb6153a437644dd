"""Whose a child is (pure): ours, left by a predecessor of the same name, or somebody else's."""

from collections.abc import Mapping
from typing import Any

from edgemodel_operator.api.resource import GROUP, KIND, EdgeModel
from edgemodel_operator.model.naming import LABEL_MANAGED, LABEL_MODEL, MANAGER

Body = Mapping[str, Any]


def is_ours(body: Body, model: EdgeModel) -> bool:
    """Whether `model` owns it."""
    return any(owner.get("uid") == model.uid for owner in _owners(body))


def is_left(body: Body, model: EdgeModel) -> bool:
    """Whether an EdgeModel of this name that is gone has left it: one was deleted without its children, or restored.

    It carries our labels, nobody else owns it, and it is not on its way out.
    """
    metadata = body["metadata"]
    labels = metadata.get("labels", {})
    made_here = (labels.get(LABEL_MODEL), labels.get(LABEL_MANAGED)) == (model.name, MANAGER)
    mine = not is_ours(body, model) and all(_is_namesake(owner, model) for owner in _owners(body))
    return made_here and mine and not is_ending(body)


def is_ending(body: Body) -> bool:
    """Whether it is being deleted."""
    return "deletionTimestamp" in body["metadata"]


def _is_namesake(owner: Body, model: EdgeModel) -> bool:
    """There is one live object of a name, so that one with another uid is gone."""
    group, _, _ = owner.get("apiVersion", "").partition("/")
    return (group, owner.get("kind"), owner.get("name")) == (GROUP, KIND, model.name)


def _owners(body: Body) -> list[Body]:
    owners: list[Body] = body["metadata"].get("ownerReferences", [])
    return owners
