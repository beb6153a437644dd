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

    The node's own assignment comes first: its active version, then its backup; then the default's. What the wish
    quarantines or the node refuses is passed over.
    """
    assignment = wish.for_node(node)
    if assignment is None:
        return None
    candidates = [assignment.active, assignment.backup]
    if wish.default is not None:
        candidates += [wish.default.active, wish.default.backup]
    allowed: dict[str, Artifact] = {}
    for artifact in candidates:
        if artifact is not None and artifact.digest not in wish.refused and not refused(artifact.digest):
            allowed.setdefault(artifact.digest, artifact)
    active, backup, *_ = [*allowed.values(), None, None]
    return Target(active, backup)
