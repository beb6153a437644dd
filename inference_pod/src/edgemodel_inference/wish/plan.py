"""What a node should serve, given the wish and what it refuses. Pure."""

from collections.abc import Callable
from dataclasses import dataclass

from edgemodel.wish import Artifact, Wish


@dataclass(frozen=True, slots=True)
class Target:
    """What should answer and what should be resident beside it; `active` None: nothing may be served."""

    active: Artifact | None
    backup: Artifact | None = None


def plan(wish: Wish, node: str, refused: Callable[[str], bool]) -> Target | None:
    """What `node` should serve; None where the wish does not say, so that what serves keeps serving.

    What the wish quarantines or the node refuses is passed over.
    """
    if wish.for_node(node) is None:
        return None
    allowed: dict[str, Artifact] = {}
    for artifact in candidates(wish, node):
        if artifact.digest not in wish.refused and not refused(artifact.digest):
            allowed.setdefault(artifact.digest, artifact)
    active, backup, *_ = [*allowed.values(), None, None]
    return Target(active, backup)


def candidates(wish: Wish, node: str) -> list[Artifact]:
    """What `node` may come to serve: its own assignment's active version, then its backup; then the default's."""
    assignments = [each for each in (wish.for_node(node), wish.default) if each is not None]
    return [artifact for each in assignments for artifact in (each.active, each.backup) if artifact is not None]
