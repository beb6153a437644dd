"""What a distillation Job has come to, from its own news and that of its pods, which have the result."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from edgemodel import outcome
from edgemodel.outcome import Outcome
from edgemodel_operator.model.naming import LEADER
from edgemodel_operator.model.observation import Job
from edgemodel_operator.render.job import LABEL_ATTEMPT

Body = Mapping[str, Any]

NEWS_LAG = timedelta(seconds=30)
"""How long the pods of a Job that has ended are waited for before it counts as one without a result."""

_OVER = ("Succeeded", "Failed")


def job_of(body: Body, pods: Iterable[Body], now: datetime) -> Job:
    """The Job `body`, with its pods among `pods`.

    Its own news may come before theirs: it is over when all of them say so, and one that was never seen is waited for.
    Of several workers the leader has the result; where it could say nothing any more, another tells what it ended with.
    """
    metadata, conditions = body["metadata"], body.get("status", {}).get("conditions", [])
    ended = {entry["type"]: entry for entry in conditions if entry.get("status") == "True"}
    end = ended.get("Complete") or ended.get("Failed")
    own = [pod for pod in pods if pod["job"] == metadata["name"]]
    own.sort(key=lambda pod: (leads(pod), str(pod["created"])))
    until = None if end is None or own else _patience(end, now)
    message = next((pod["message"] for pod in reversed(own) if pod["message"]), "")
    return Job(
        name=metadata["name"],
        attempt=int(metadata.get("labels", {}).get(LABEL_ATTEMPT, "0")),
        workers=body.get("spec", {}).get("parallelism", 1),
        running=any(pod["phase"] == "Running" for pod in own),
        finished=end is not None and until is None and all(pod["phase"] in _OVER for pod in own),
        failed="Failed" in ended,
        outcome=_outcome(message),
        waiting=next((pod["waiting"] for pod in own if pod["phase"] == "Pending" and pod["waiting"]), ""),
        message=message or ended.get("Failed", {}).get("message", ""),
        awaited_until=until,
    )


def leads(pod: Body) -> bool:
    """Whether a Job's pod is its only worker, or leads the others."""
    return bool(pod["index"] == LEADER)


def _patience(end: Body, now: datetime) -> datetime | None:
    """Until when pods are waited for; None: they had their time, or the clocks differ too much to say."""
    since = datetime.fromisoformat(end["lastTransitionTime"]) if end.get("lastTransitionTime") else now - NEWS_LAG
    return since + NEWS_LAG if abs(now - since) < NEWS_LAG else None


def _outcome(message: str) -> Outcome | None:
    try:
        return outcome.parse(message) if message else None
    except outcome.OutcomeError:
        return None
