"""What a status, a pod's /status or a page of metrics says, picked out (pure)."""

from datetime import datetime

from lab.demo.kube import Object


def webhook_count(lines: list[str], name: str) -> float:
    """A counter of Alertmanager's own metrics, for its webhooks."""
    found = [line for line in lines if line.startswith(f"alertmanager_{name}{{") and 'integration="webhook"' in line]
    return sum(float(line.rpartition(" ")[2]) for line in found)


def condition(status: Object, type_: str) -> str:
    """The status of a condition, or nothing."""
    return next((str(c["status"]) for c in status.get("conditions", []) if c["type"] == type_), "")


def in_sight(status: Object) -> bool:
    """Whether the operator can see all nodes."""
    return not status.get("nodes", {}).get("unknown", 0)


def version(status: Object, name: str) -> Object:
    """What the status says of one version."""
    return next((v for v in status.get("versions", []) if v["name"] == name), {})


def blamed(status: Object) -> str:
    """Who is blamed for the first active fault."""
    return next((str(fault["blame"]) for fault in status.get("faults", [])), "")


def phase(status: Object) -> str:
    """How far the distillation is."""
    return str((status.get("distillation") or {}).get("phase", ""))


def seconds(text: str) -> float:
    """Seconds since 1970 of an RFC 3339 time."""
    return datetime.fromisoformat(text).timestamp()


def fault_moments(state: Object, fault: str) -> list[float]:
    """When a pod's own detector fired for `fault`, from the journal in its /status."""
    journal = (state.get("worker") or {}).get("journal", [])
    return [seconds(entry["at"]) for entry in journal if entry.get("fault") == fault and entry["kind"] == "Attempt"]
