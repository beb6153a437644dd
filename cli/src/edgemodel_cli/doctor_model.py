"""Checks of one EdgeModel. Pure: what was found is given."""

from collections.abc import Iterator, Sequence

from edgemodel_cli.advice import command
from edgemodel_cli.diagnosis import Finding, Level, fail, ok, pod_trouble, warn
from edgemodel_cli.doctor_facts import Facts, ModelFacts, Unknown, is_ready, known
from edgemodel_cli.seen import Body, Seen, text

REVISION = "edgemodel.dev/wish-revision"
"""Annotation of pods: the wish that they were told of last."""
TOLERATED = frozenset(
    f"node.kubernetes.io/{taint}"
    for taint in ("not-ready", "unreachable", "disk-pressure", "memory-pressure", "pid-pressure", "unschedulable")
)
"""Taints that serving pods tolerate without being told."""
SHOWN = 5
"""Names in one line."""


def observed(_facts: Facts, about: ModelFacts) -> Iterator[Finding]:
    """Whether the operator has acted on the spec as it is now."""
    model = about.model
    generation, seen = model.body["metadata"].get("generation", 0), model.status.get("observedGeneration", -1)
    if model.paused:
        yield warn("paused", "nothing is decided", command("PausedByPerson", model))
    elif seen == -1:
        yield fail("observed", "no operator has looked at it", "see the line of the operator above, and its log")
    elif seen != generation:
        yield warn("observed", f"the operator has acted on generation {seen} of {generation}", "wait, or see its log")
    else:
        yield ok("observed", f"the operator has acted on generation {generation}")


def conditions(_facts: Facts, about: ModelFacts) -> Iterator[Finding]:
    """What the operator itself says: quarantine, refused or unreachable artifacts, faults, and what waits."""
    model = about.model
    bad = {("Ready", "False"): fail, ("Stalled", "True"): fail, ("Degraded", "True"): warn, ("Ready", "Unknown"): warn}
    for found in model.conditions:
        say = bad.get((found.type, found.status))
        if say is not None:
            yield say(found.type.lower(), f"{found.reason}: {found.message}", command(found.reason, model))
        elif found.type == "Ready":
            yield ok("ready", found.message)
    for waiting in model.waiting:
        subject = text(waiting, "subject")
        answer = f"edgemodel approve {model.name} {subject} -n {model.namespace} (or reject)"
        yield warn("approval", f"{subject}: {text(waiting, 'message')}", answer)


def telemetry(_facts: Facts, about: ModelFacts) -> Iterator[Finding]:
    """Whether the nodes' figures are recent enough to decide on."""
    found = about.model.condition("TelemetryFresh")
    if found is not None and found.status == "True":
        yield ok("telemetry", found.message or "every ready node was measured lately")
    elif found is not None:
        hint = "see the line of the signals above; a node's own figures: port 8081 of its pod, /metrics"
        yield warn("telemetry", f"{found.reason}: {found.message}", hint)


def nodes(facts: Facts, about: ModelFacts) -> Iterator[Finding]:
    """Whether nodes match the placement, are ready, and let the pods in."""
    placement = about.model.spec.get("placement") or {}
    wanted = placement.get("nodeSelector") or {}
    selector = ",".join(f"{key}={value}" for key, value in wanted.items())
    if isinstance(facts.nodes, Unknown):
        yield warn("nodes", f"not seen: {facts.nodes.why}")
        return
    matching = [n for n in facts.nodes if wanted.items() <= (n["metadata"].get("labels") or {}).items()]
    if not matching:
        label = f"kubectl label node NODE {selector.replace(',', ' ')}" if wanted else "add a node"
        yield fail("nodes", f"no node has the labels of spec.placement.nodeSelector ({selector or 'none'})", label)
        return
    away = [node["metadata"]["name"] for node in matching if not is_ready(node)]
    if away:
        yield warn(
            "nodes", f"{len(away)} of {len(matching)} are not ready: {_some(away)}", f"kubectl describe node {away[0]}"
        )
    closed = {node["metadata"]["name"]: taint for node in matching if (taint := _keeps_out(node, placement))}
    if closed:
        name, taint = next(iter(closed.items()))
        hint = f"add it to spec.placement.tolerations, or: kubectl taint node {name} {taint}-"
        yield warn("nodes", f"{_some(list(closed))}: taint {taint} is not tolerated", hint)
    if not away and not closed:
        yield ok("nodes", f"{len(matching)} match the placement, all ready")


def needs(_facts: Facts, about: ModelFacts) -> Iterator[Finding]:
    """Whether the Secrets, ConfigMaps and claims that the spec names are there."""
    for what, there in about.needs.items():
        kind, _, name = what.partition(" ")
        if there is False:
            how = {"Secret": f"create secret generic {name}", "ConfigMap": f"create configmap {name}"}
            create = f"kubectl {how.get(kind, 'apply -f FILE')} -n {about.model.namespace} …"
            if what in _of_cloud(about.model.spec):
                yield warn("references", f"{what} is not there: the edge answers without the cloud", create)
            else:
                yield fail("references", f"{what} is not there: pods that need it cannot work", create)
        elif there is True:
            yield ok("references", f"{what} is there")


def _of_cloud(spec: Body) -> tuple[str, str]:
    """What only the cloud is asked with; pods serve without it."""
    cloud = spec.get("cloud") or {}
    return (
        f"Secret {text(cloud.get('tokenSecret') or {}, 'name')}",
        f"ConfigMap {text(cloud.get('caBundle') or {}, 'configMap')}",
    )


def pods(_facts: Facts, about: ModelFacts) -> Iterator[Finding]:
    """Whether each pod runs, is ready, and was told of the newest wish."""
    if isinstance(about.pods, Unknown):
        yield warn("pods", f"not seen: {about.pods.why}")
        return
    troubles = [trouble for pod in about.pods if (trouble := pod_trouble("pods", pod, known(about.events)))]
    yield from troubles
    serving = [pod for pod in about.pods if REVISION in (pod["metadata"].get("annotations") or {})]
    revision = str(about.model.status.get("wishRevision", 0))
    behind = [p["metadata"]["name"] for p in serving if p["metadata"]["annotations"][REVISION] != revision]
    if behind:
        yield warn("pods", f"not told of wish {revision} yet: {_some(behind)}", "wait, or see the operator's log")
    if not troubles and not behind and about.pods:
        yield ok("pods", f"{sum(map(is_ready, about.pods))} of {len(about.pods)} are ready")


def workload(_facts: Facts, about: ModelFacts) -> Iterator[Finding]:
    """Whether pods of an earlier template are left."""
    body = about.workload
    if isinstance(body, Unknown):
        yield warn("workload", f"not seen: {body.why}")
    elif body is None:
        yield fail("workload", "the operator has made no DaemonSet or Deployment", "see the operator's log")
    else:
        status, what = body.get("status", {}), f"{body['kind'].lower()}/{body['metadata']['name']}"
        wanted = status.get("desiredNumberScheduled", body["spec"].get("replicas", 0))
        updated = status.get("updatedNumberScheduled", status.get("updatedReplicas", 0))
        if not wanted:
            yield warn("workload", f"{what} wants no pod on any node", "see the line of the nodes above")
        elif updated < wanted:
            watch = f"kubectl rollout status {what} -n {about.model.namespace}"
            yield warn("workload", f"{wanted - updated} of {wanted} pods are of an earlier template", watch)
        else:
            yield ok("workload", f"{what}: all {wanted} pods are of the newest template")


def registry(_facts: Facts, about: ModelFacts) -> Iterator[Finding]:
    """What nodes serve instead of the rest, and why: the registry's answers as pods see them are among it."""
    exceptions: Sequence[Body] = about.model.part("nodes").get("exceptions", ())
    reasons: dict[str, list[str]] = {}
    for exception in exceptions:
        what = f"{text(exception, 'version', 'nothing')} ({text(exception, 'reason', 'no reason given')})"
        reasons.setdefault(what, []).append(text(exception, "name"))
    for what, names in reasons.items():
        hint = f"kubectl logs -l edgemodel.dev/name={about.model.name} -n {about.model.namespace}"
        yield warn("exceptions", f"{what} on {_some(names)}", hint)


def rules(_facts: Facts, about: ModelFacts) -> Iterator[Finding]:
    """Whether anything is watched, and something is done about it."""
    model = about.model
    watched = [text(rule, "name") for rule in (model.spec.get("health") or {}).get("rules") or ()]
    strategies = (model.spec.get("healing") or {}).get("strategies") or ()
    treated = {fault for strategy in strategies for fault in strategy.get("faults", ())}
    if not watched:
        hint = "name rules in spec.health.rules; try them first: edgemodel rehearse"
        yield warn("rules", "none: no fault will ever be found", hint)
    untreated = [name for name in watched if name not in treated]
    if untreated:
        yield warn("rules", f"no strategy names {_some(untreated)}", "add it to spec.healing.strategies")
    if watched and not untreated:
        yield ok("rules", f"{len(watched)}, and a strategy for each")


def worst(findings: Sequence[Finding]) -> Level:
    """The level of the worst of them."""
    levels = {finding.level for finding in findings}
    return Level.FAIL if Level.FAIL in levels else Level.WARN if Level.WARN in levels else Level.OK


def _keeps_out(node: Body, placement: Body) -> str:
    """A taint of `node` that the pods do not tolerate, as kubectl writes it."""
    for taint in (node.get("spec") or {}).get("taints") or ():
        if taint["effect"] == "PreferNoSchedule" or taint["key"] in TOLERATED:
            continue
        if not any(_tolerates(toleration, taint) for toleration in placement.get("tolerations") or ()):
            value = taint.get("value")
            return f"{taint['key']}{f'={value}' if value else ''}:{taint['effect']}"
    return ""


def _tolerates(toleration: Body, taint: Body) -> bool:
    if toleration.get("effect") not in (None, "", taint["effect"]):
        return False
    if toleration.get("operator") == "Exists":
        return toleration.get("key") in (None, "", taint["key"])
    return toleration.get("key") == taint["key"] and (toleration.get("value") or "") == (taint.get("value") or "")


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def subject(model: Seen) -> str:
    """The heading under which its findings stand."""
    return f"{model.namespace}/{model.name}"
