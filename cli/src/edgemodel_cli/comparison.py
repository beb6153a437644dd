"""How a new version does beside the one it replaces, in words. Pure."""

from collections.abc import Iterator

from edgemodel_cli.seen import Body, text


def compared(comparison: Body) -> Iterator[tuple[str, str]]:
    """What is compared, and the figures with their bounds; nothing where nothing was compared."""
    if not comparison:
        return
    sides = (("canary", "new version"), ("control", "old version"))
    for side, what in sides:
        nodes, requests = text(comparison, f"{side}Nodes", "0"), text(comparison, f"{side}Requests", "0")
        yield what, f"{requests} requests on {nodes} node{'' if nodes == '1' else 's'}"
    for field, what, unit in (
        ("latencyRatio", "latency", " of the old one's"),
        ("confidenceDifference", "confidence", " more than the old one's"),
        ("errorDifference", "errors", " more of the requests"),
    ):
        if comparison.get(field):
            yield what, _figure(comparison[field], signed=field != "latencyRatio") + unit


def _figure(estimate: Body, *, signed: bool) -> str:
    low, high = (_number(estimate.get(bound), signed=signed) for bound in ("low", "high"))
    bounds = f" (between {low} and {high})" if low and high else " (too little seen to be sure)"
    return _number(estimate.get("value"), signed=signed) + bounds


def _number(value: object, *, signed: bool) -> str:
    if not isinstance(value, int | float):
        return ""
    return f"{value:+.3g}" if signed else f"{value:.3g}"
