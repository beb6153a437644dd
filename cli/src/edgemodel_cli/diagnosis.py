"""What ``edgemodel doctor`` says: one line for each check, with the next command. Pure."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from edgemodel_cli.seen import Body, printable


class Level(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found, and what to do next; empty: nothing."""

    level: Level
    check: str
    message: str
    next: str = ""

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return asdict(self)


def ok(check: str, message: str) -> Finding:
    """All is well."""
    return Finding(Level.OK, check, printable(message))


def warn(check: str, message: str, next_: str = "") -> Finding:
    """It may be well; a person should look."""
    return Finding(Level.WARN, check, printable(message), next_)


def fail(check: str, message: str, next_: str = "") -> Finding:
    """It is not well."""
    return Finding(Level.FAIL, check, printable(message), next_)


MANY_RESTARTS = 3


def pod_trouble(check: str, pod: Body, events: Sequence[Body]) -> Finding | None:
    """Why one pod does not run as it should; None: it does. `events` are the namespace's warnings."""
    name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
    look = f"kubectl describe pod {name} -n {namespace}"
    status = pod.get("status", {})
    for condition in status.get("conditions", ()):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return fail(check, f"{name} has no node: {condition.get('message', condition.get('reason', ''))}", look)
    for container in status.get("containerStatuses", ()):
        waiting = container.get("state", {}).get("waiting")
        if waiting is not None:
            return _waiting(check, name, waiting, look, events)
        if container.get("lastState", {}).get("terminated", {}).get("reason") == "OOMKilled":
            return warn(check, f"{name} ran out of memory", "raise its memory limit (spec.placement.resources)")
        if container.get("restartCount", 0) >= MANY_RESTARTS:
            return warn(check, f"{name} was restarted {container['restartCount']} times", look)
    return None


def _waiting(check: str, name: str, waiting: Body, look: str, events: Sequence[Body]) -> Finding:
    reason, message = waiting.get("reason", "for no reason that is given"), waiting.get("message", "")
    if reason not in ("ContainerCreating", "PodInitializing"):
        return fail(check, f"{name} waits: {reason}{': ' if message else ''}{message:.300}", _about(reason, look))
    missing = _missing(name, events)
    return fail(check, f"{name} cannot start: {missing}", look) if missing else warn(check, f"{name}: {reason}", look)


def _missing(name: str, events: Sequence[Body]) -> str:
    """What a container that is being made waits for in vain."""
    for event in reversed(events):
        if event.get("involvedObject", {}).get("name") == name and event.get("reason") == "FailedMount":
            return f"{event.get('message', ''):.300}"
    return ""


def _about(reason: str, look: str) -> str:
    match reason:
        case "ErrImagePull" | "ImagePullBackOff" | "InvalidImageName":
            return f"see that its node reaches the image's registry and may pull: {look}"
        case "CrashLoopBackOff":
            return look.replace("describe pod", "logs --previous")
        case _:
            return look
