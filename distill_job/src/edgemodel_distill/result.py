"""The Outcome as it is written where the kubelet picks it up."""

from pathlib import Path

from edgemodel.outcome import MESSAGE_LIMIT, Outcome

_ELLIPSIS = " …"


def render(outcome: Outcome, limit: int = MESSAGE_LIMIT) -> str:
    """`outcome` as JSON of at most `limit` bytes; a message that is too long is cut."""
    text = outcome.dump()
    while (excess := len(text.encode()) - limit) > 0 and outcome.message:
        kept = outcome.message.removesuffix(_ELLIPSIS)
        kept = kept[: max(0, len(kept) - max(excess, len(_ELLIPSIS) + 1))]
        outcome = outcome.model_copy(update={"message": kept + _ELLIPSIS if kept else ""})
        text = outcome.dump()
    return text


def write(path: Path, outcome: Outcome) -> None:
    """Write `outcome` into `path`, which may be a mounted file: it cannot be replaced, only filled."""
    path.write_text(render(outcome), encoding="utf-8")
