"""What the demo shows, step by step. Each step asks the cluster what is true and fails where it is not."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import lab
from lab import digits, shell
from lab.demo.kube import Object
from lab.demo.plant import MODEL, Plant
from lab.demo.reading import blamed, condition, fault_moments, in_sight, phase, seconds, version, webhook_count
from lab.demo.traffic import Traffic, curl
from lab.errors import LabError
from lab.progress import Progress
from lab.shell import until

RATE = 20.0
"""Requests per second and node: enough evidence in seconds, little of two cores."""
WINDOW = 300
"""Answers over which an accuracy is taken."""
FETCH_S = 300
"""Longest that is waited for what takes seconds where its image of up to 340 MB is on the node already."""
OUT_OF_SIGHT_S = 180
"""Kubernetes gives a node 50 s, and anew where its controller manager loses its lease on a busy machine."""


@dataclass
class Story:
    """One run of the demo in one namespace."""

    plant: Plant
    progress: Progress
    namespace: str = "plant-a"
    figures: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.kube = self.plant.kube
        self.traffic = Traffic(self.kube, self.namespace, MODEL)

    def serve(self) -> None:
        """Apply the sample, wait until it is Ready, send real digits and print answers."""
        self.say("serve: kubectl apply -f manifests/samples/digits.yaml")
        self.plant.make_namespace(self.namespace)
        self.kube.apply(self.sample())
        self.await_status("Ready", lambda s: condition(s, "Ready") == "True", FETCH_S)
        self._print_table()
        modes = ("traffic-clean", "traffic-drifted", "clean")
        sets = {mode: self.plant.models.folder / f"{mode}.npz" for mode in modes}
        self.traffic.start(self.plant.images["inference"], sets, RATE)
        for node, answer in sorted(self.traffic.counts().samples.items()):
            self.say(f"  {node}: a {answer['wanted']} was read as {answer['label']} by {answer['version']}")
        self.await_status("v1 is proved good", lambda s: s.get("lastGood") == "v1", 120)
        self._accuracy("clean images, v1", "accuracy_clean_before")

    def bad_version(self) -> None:
        """(a) A version that is really bad: one canary takes it, a rule or the comparison tells, rollback."""
        self.say("(a) wish v2, which was trained on shuffled labels")
        self.wish("v2", ["v1", "v2"])
        status = self.await_status("v2 is on its canary", lambda s: bool((s.get("rollout") or {}).get("nodes")), 30)
        self.say(f"  canary: {', '.join(status['rollout']['nodes'])}; the others stay with v1")
        until("the canary answers from v2", lambda: self.traffic.counts().first.get("v2"), 60)
        status = self.await_status("v2 is quarantined", lambda s: version(s, "v2").get("state") == "Quarantined", 120)
        written, reason = version(status, "v2")["since"], version(status, "v2")["reason"]
        self.say(f"  {reason}: rolled back to {status['version']}; v2 is quarantined")
        until("every answer is from v1", self._only_v1, 30)
        counts = self.traffic.counts()
        # What the comparison finds is found and written at once; a rule fires on the node first.
        fault = self._fault_time(reason, written) if reason == "low-confidence" else seconds(written)
        self.figures["fault_to_rollback_written_s"] = seconds(written) - fault
        self.figures["fault_to_all_answers_from_backup_s"] = max(counts.last["v2"] - fault, 0.0)
        self.figures["answers_from_v2"] = counts.answers["v2"]
        self._no_failures()
        self.kube.apply(self._spec_again("v2", ["v1", "v2"]))
        self.await_status("the heal is proved", lambda s: s["heals"][-1].get("verdict") == "Proved", 120)
        if self.status()["version"] != "v1" or self.traffic.counts().last["v2"] != counts.last["v2"]:
            raise LabError("v2 came back although it is quarantined")
        self.say("  the same spec was applied again: v2 stays out; the rollback is proved")
        self._tell("explain")

    def drift(self) -> None:
        """(b) The input drifts: no version is blamed, a student is distilled, canaried and rolled to all."""
        self.say("(b) the input drifts: every digit is turned by 25 degrees, with noise")
        alerts_before = self._alerts_delivered()
        self.traffic.switch("traffic-drifted")
        self._accuracy("drifted images, v1", "accuracy_drifted_before", reset=False)
        status = self.await_status("a fault is blamed on the input", lambda s: blamed(s) == "Input", 120)
        self.say(f"  {status['faults'][0]['name']} on {', '.join(status['faults'][0]['nodes'])}: the input is blamed")
        until("the alert arrived by Alertmanager", lambda: self._alerts_delivered() > alerts_before or None, 60)
        self.say("  the alert arrived: Prometheus, Alertmanager, POST /alerts")
        began = self.progress.elapsed
        self.await_status("the Job is made", lambda s: (s.get("distillation") or {}).get("job"), 180)
        self.say(f"  {self.status()['distillation']['job']}: distils from the teacher with unlabelled edge samples")
        self.await_status("a student passed its gates", lambda s: phase(s) in ("Accepted", "Rejected", "Failed"), 600)
        distillation = self.status()["distillation"]
        if distillation["phase"] != "Accepted":
            raise LabError(f"the distillation ended as {distillation['phase']}: {distillation.get('message')}")
        candidate = distillation["candidate"]
        scores = ", ".join(f"{name} {value:.3f}" for name, value in distillation.get("scores", {}).items())
        self.say(f"  {candidate} passed its gates ({scores}); {distillation['samples']} edge samples")
        self.await_status(f"{candidate} serves everywhere", lambda s: s.get("version") == candidate, 300)
        self.figures["drift_heal_s"] = self.progress.elapsed - began
        self._accuracy(f"drifted images, {candidate}", "accuracy_drifted_after")
        self.traffic.switch("clean")
        self._accuracy(f"clean images, {candidate}", "accuracy_clean_after")
        self._examine(candidate)
        bad = [v["name"] for v in self.status()["versions"] if v["state"] == "Quarantined"]
        if bad != ["v2"]:
            raise LabError(f"only v2 may be quarantined, but: {bad}")
        if self.figures["accuracy_drifted_after"] < self.figures["accuracy_drifted_before"] + 0.2:
            raise LabError(f"accuracy on drifted images is not clearly better: {self.figures}")
        self._no_failures()

    def cut_link(self) -> None:
        """(c) The link of one node is cut: it goes on answering; restored, it catches up."""
        node = self.plant.lab.edge_nodes[-1]
        self.say(f"(c) the link of {node} is cut")
        before = sum(self.traffic.counts([node]).answers.values())
        lab.cut(node)
        try:
            self.await_status(f"{node} is out of sight", lambda s: s["nodes"]["unknown"] == 1, OUT_OF_SIGHT_S)
            self.say(f"  {node} is out of sight; meanwhile v3 is wished")
            self.wish("v3", ["v1", "v2", "v3"])
            self.await_status("v3 serves on all nodes in sight", lambda s: s.get("version") == "v3", 180)
            counts = self.traffic.counts([node])
            answered = sum(counts.answers.values()) - before
            if counts.answers["v3"] or answered < 1:
                raise LabError(f"{node} was to go on with what it had: {counts}")
            self.figures["answers_while_cut"] = answered
            self.say(f"  {node} answered {answered} requests from {counts.samples[node]['version']} while cut off")
        finally:
            lab.restore(node)
        restored = self.progress.elapsed
        until(f"{node} answers from v3", lambda: self.traffic.counts([node]).answers["v3"] or None, 120)
        self.figures["catch_up_s"] = self.progress.elapsed - restored
        self.say(f"  link restored: {node} answers from v3")
        self.await_status("all nodes are in sight", lambda s: in_sight(s) and condition(s, "Ready") == "True", 90)
        self._no_failures()

    def finish(self) -> None:
        """Print the history and the figures of this run."""
        self._print_table()
        self._tell("history")
        self.say("figures of this run:")
        for name, value in self.figures.items():
            self.say(f"  {name:36} {value:g}" if float(value).is_integer() else f"  {name:36} {value:.3f}")

    def say(self, text: str) -> None:
        """One line of the timeline."""
        self.progress.say(text)

    def sample(self) -> Object:
        """The EdgeModel to begin with."""
        return self.plant.sample(self.namespace)

    def wish(self, name: str, versions: list[str]) -> None:
        """Apply the spec with other versions and another wish, as a user or GitOps would."""
        self.kube.apply(self._spec_again(name, versions))

    def status(self) -> Object:
        """The EdgeModel's status now."""
        body = self.kube.get("edgemodel", MODEL, self.namespace) or {}
        found: Object = body.get("status", {})
        return found

    def await_status(self, what: str, holds: Callable[[Object], Any], timeout_s: float) -> Object:
        """Wait until the status says so. Raises LabError with the status where it does not."""
        latest: Object = {}

        def probe() -> Object | None:
            nonlocal latest
            latest = self.status()
            return latest if latest and holds(latest) else None

        started = self.progress.elapsed
        try:
            found = until(what, probe, timeout_s)
        except LabError as error:
            raise LabError(f"{error}\nstatus: {json.dumps(latest, indent=1)}") from error
        self.say(f"  {what} ({self.progress.elapsed - started:.1f} s)")
        return found

    def _spec_again(self, name: str, versions: list[str]) -> Object:
        body = self.sample()
        body["spec"]["versions"] = [self.plant.version(each) for each in versions]
        body["spec"]["version"] = name
        return body

    def _only_v1(self) -> bool | None:
        counts = self.traffic.counts()
        return all(sample["version"] == "v1" for sample in counts.samples.values()) or None

    def _accuracy(self, what: str, figure: str, *, reset: bool = True) -> None:
        if reset:
            self.traffic.reset()
        counts = until(f"{WINDOW} answers", lambda: c if (c := self.traffic.counts()).answered >= WINDOW else None, 120)
        self.figures[figure] = counts.accuracy
        self.say(f"  accuracy on {what}: {counts.accuracy:.3f} of {counts.answered} answers")

    def _examine(self, candidate: str) -> None:
        """Score the candidate on images that were in no training and no traffic."""
        found = version(self.status(), candidate)
        folder = self.plant.lab.home / "digits" / "pulled" / found["digest"].removeprefix("sha256:")
        command = [self.plant.edgemodel, "bundle", "pull", found["uri"], "--digest", found["digest"], "-o", folder]
        if not folder.exists():
            shell.run(command, env={"EDGEMODEL_REGISTRY_CA": str(self.plant.lab.registry_ca)}, timeout_s=60)
        before, after = self.plant.models.scores["v1"], digits.score(folder, self.plant.models.folder)
        for what in ("drifted", "clean"):
            old, new = getattr(before, f"{what}_accuracy"), getattr(after, f"{what}_accuracy")
            self.figures[f"exam_{what}_before"], self.figures[f"exam_{what}_after"] = old, new
            self.say(f"  examination set, {what}: v1 {old:.3f}, {candidate} {new:.3f}")

    def _fault_time(self, fault: str, written: str) -> float:
        """When the canary's own detector fired, from the pod's journal; never later than the rollback."""
        moments = []
        for pod in self.kube.list("pods", self.namespace, "app.kubernetes.io/component=inference"):
            state = json.loads(curl(pod["spec"]["nodeName"], f"http://{pod['status']['podIP']}:8081/status"))
            moments += fault_moments(state, fault)
        earlier = [moment for moment in moments if moment <= seconds(written)]
        if not earlier:
            raise LabError(f"no node has {fault} in its journal before {written}: {moments}")
        return max(earlier)

    def _alerts_delivered(self) -> float:
        """Deliveries to the operator's webhook that were answered with 200, as Alertmanager counts them."""
        lines = curl(self.plant.lab.nodes[0], f"{self.plant.lab.alertmanager_url}/metrics").splitlines()
        return webhook_count(lines, "notifications_total") - webhook_count(lines, "notifications_failed_total")

    def _no_failures(self) -> None:
        counts = self.traffic.counts()
        self.figures["failed_requests"] = counts.failed
        total = sum(counts.answers.values())
        self.say(f"  {total} requests so far, {counts.failed} failed")
        if counts.failed:
            raise LabError(f"{counts.failed} requests failed: {counts.errors}")

    def _tell(self, command: str) -> None:
        """What ``kubectl edgemodel COMMAND`` says."""
        argv = [str(self.plant.edgemodel), command, MODEL, "-n", self.namespace]
        self.say(f"  kubectl edgemodel {command} {MODEL}:")
        answer = shell.run(argv, env={"KUBECONFIG": str(self.plant.lab.kubeconfig)}, timeout_s=60).stdout
        for line in answer.splitlines():
            self.say(f"    {line}")

    def _print_table(self) -> None:
        for line in self.kube.run("get", "edgemodel", "-n", self.namespace).splitlines():
            self.say(f"  {line}")
