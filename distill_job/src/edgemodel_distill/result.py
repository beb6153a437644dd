"""The Outcome as it is written where the kubelet picks it up."""

from pathlib import Path

from edgemodel.outcome import MESSAGE_LIMIT, Outcome, figure

_ELLIPSIS = " …"


def render(outcome: Outcome, limit: int = MESSAGE_LIMIT) -> str:
    """`outcome` as JSON of at most `limit` bytes; a message that is too long is cut."""
    text = outcome.dump()
    kept = outcome.message
    while len(text.encode()) > limit and kept:
        kept = kept[: len(kept) * 9 // 10]  # in steps: how many bytes a character takes in JSON varies
        text = outcome.model_copy(update={"message": kept + _ELLIPSIS}).dump()
    return text


def describe(outcome: Outcome) -> str:
    """`outcome` for people."""
    lines = [f"{outcome.code}: {outcome.message}" if outcome.message else outcome.code]
    lines += [
        f"  {'passed' if gate.passed else 'FAILED'}  {gate.name:22} want {figure(gate.want):10} got {figure(gate.got)}"
        for gate in outcome.gates
    ]
    lines += [
        f"  {'ships ' if row.ships else '      '}  {row.name:22} {row.size:,} bytes, {row.macs:,} MACs, "
        f"accuracy {row.accuracy:.4f}, {row.latency_ms:.3f} ms, {row.latency_ms16:.3f} ms for 16: {row.why}"
        for row in outcome.choice
    ]
    if outcome.digest is not None:
        lines.append(f"digest {outcome.digest}")
    return "\n".join(lines)


def write(path: Path, outcome: Outcome) -> None:
    """Write `outcome` into `path`, which may be a mounted file: it cannot be replaced, only filled."""
    path.write_text(render(outcome), encoding="utf-8")
