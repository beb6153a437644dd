"""Everything else that writes to the API server: kubelets, the node, DaemonSet and Job controllers."""

from dataclasses import dataclass, field
from datetime import datetime

from edgemodel.outcome import Outcome
from edgemodel_operator.model import naming
from tests.unit.operator.api_in_memory import ApiInMemory, Body
from tests.unit.operator.edge import Edge
from tests.unit.operator.plant import KEY, student
from tests.unit.operator.script import Script


@dataclass
class Kubelets:
    """One pod on each node that has heard of the DaemonSet; Jobs that end as the script says."""

    api: ApiInMemory
    edges: dict[str, Edge]
    ages: dict[str, int] = field(default_factory=dict)

    def step(self, script: Script, now: datetime) -> None:
        """Five seconds in the life of the control plane."""
        for edge in self.edges.values():
            self._run_pod(edge)
            self.api.put(("Node", edge.name), _node(edge))
        for kind, name in list(self.api.objects):
            if kind == "Node" and name not in self.edges:
                self.api.remove((kind, name))
            if kind == "Job":
                self._train(name, script, now)

    def _run_pod(self, edge: Edge) -> None:
        """The control plane sees a pod as it last heard of it."""
        place = ("Pod", f"{KEY.name}-{edge.name}")
        workload = self.api.objects.get(("DaemonSet", KEY.name))
        if not edge.reachable:
            return
        if workload is None:
            edge.remove()
            self.api.remove(place)
            return
        edge.installed = True
        known = self.api.objects.get(place, {"metadata": {}})
        metadata: Body = {
            "name": place[1],
            "namespace": KEY.namespace,
            "labels": naming.labels(KEY.name, naming.SERVING),
        }
        metadata["annotations"] = dict(known["metadata"].get("annotations", {}))
        metadata["ownerReferences"] = [{"uid": workload["metadata"]["uid"]}]
        ready = {"type": "Ready", "status": str(edge.answers)}
        status = {"podIP": "10.0.0.1", "phase": "Running", "conditions": [ready]}
        self.api.put(place, {"metadata": metadata, "spec": {"nodeName": edge.name}, "status": status})

    def _train(self, name: str, script: Script, now: datetime) -> None:
        body, place = self.api.objects["Job", name], ("Pod", f"{name}-x")
        labels = body["spec"]["template"]["metadata"]["labels"] | {"batch.kubernetes.io/job-name": name}
        owners = [{"uid": body["metadata"]["uid"]}]
        pod: Body = {"metadata": {"name": place[1], "labels": labels, "ownerReferences": owners}}
        self.ages[name] = age = self.ages.get(name, 0) + 1
        if age <= script.job_steps:
            if not script.late_news:
                self.api.put(place, {**pod, "status": {"phase": "Running"}})
            return
        outcome = _outcome(int(body["metadata"]["labels"]["edgemodel.dev/attempt"]), script)
        ended = outcome is not None and outcome.code in ("Accepted", "Rejected")
        if "status" not in body:
            condition = {"type": "Complete" if ended else "Failed", "status": "True"}
            condition["lastTransitionTime"] = now.isoformat()
            self.api.put(("Job", name), {**body, "status": {"conditions": [condition]}})
        if age == script.job_steps + script.late_news + 1:
            message = outcome.dump() if outcome is not None else "Killed"
            terminated = {"state": {"terminated": {"message": message}}}
            status = {"phase": "Succeeded" if ended else "Failed", "containerStatuses": [terminated]}
            self.api.put(place, {**pod, "status": status})


def _outcome(attempt: int, script: Script) -> Outcome | None:
    good = Outcome(code="Accepted", digest=student(attempt), edge_samples=20, scores={"accuracy": 0.9})
    return script.outcomes.get(attempt, good)


def _node(edge: Edge) -> Body:
    condition = {"type": "Ready", "status": "True" if edge.in_sight else "Unknown"}
    return {"metadata": {"name": edge.name, "labels": {"edge": ""}}, "status": {"conditions": [condition]}}
