"""Which pods to nudge: each once for every wish, and again those that did not take note of it.

On a nudge the kubelet refreshes a pod's volumes with the ConfigMap as it knows it then. When a link is back after a
cut it hears of its pods and of each ConfigMap again at moments of their own, up to a minute apart: a nudge may come
before the wish, and the kubelet's own refresh comes after another 60 to 90 seconds.
"""

from collections.abc import Iterator
from datetime import timedelta

from edgemodel.wish import Wish
from edgemodel_operator.decide.draft import Draft
from edgemodel_operator.model.observation import Observation, Pod
from edgemodel_operator.model.plan import Nudge

PAUSE = timedelta(seconds=15)
"""From one nudge to the next: what a report tells may be as old as the usual interval between two scrapes."""
LOOK = timedelta(seconds=5)
"""From one look at who is late to the next."""
MOST = 8
"""Nudges after the first: by then the kubelet has refreshed by itself, and who has the old wish cannot read the new."""


def nudges(observation: Observation, wish: Wish) -> Iterator[Nudge]:
    """The nudges that are due."""
    for pod in (*observation.pods, *observation.leaving):
        if pod.revision != wish.revision:
            yield Nudge(pod.name, wish.revision)
        elif _is_late(observation, pod, wish) and _pause_is_over(observation, pod):
            yield Nudge(pod.name, wish.revision, pod.again + 1)


def look_again(observation: Observation, wish: Wish, draft: Draft) -> Draft:
    """With a moment at which those that are late may be nudged again."""
    pods = (*observation.pods, *observation.leaving)
    late = any(_is_late(observation, pod, wish) for pod in pods)
    return draft.wake_at(observation.now + LOOK) if late else draft


def _is_late(observation: Observation, pod: Pod, wish: Wish) -> bool:
    """Whether it was nudged, and says that it is about an older wish and fetches nothing of this one."""
    report, assignment = observation.reports.get(pod.node), wish.for_node(pod.node)
    if report is None or report.wish_revision is None or assignment is None or pod.again >= MOST:
        return False
    wanted = {artifact.digest for artifact in (assignment.active, assignment.backup) if artifact is not None}
    return pod.revision == wish.revision > report.wish_revision and wanted.isdisjoint(report.pending)


def _pause_is_over(observation: Observation, pod: Pod) -> bool:
    return pod.nudged_at is None or observation.reports[pod.node].at >= pod.nudged_at + PAUSE
