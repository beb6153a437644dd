"""Checks of the cluster and of the operator's installation. Pure: what was found is given."""

import re
from collections.abc import Iterator

from edgemodel_cli.diagnosis import Finding, fail, ok, pod_trouble, warn
from edgemodel_cli.doctor_facts import Facts, Installation, Unknown, is_ready, known, webhook_secret
from edgemodel_cli.seen import Body

VERSION = "v1alpha1"
READS = (
    "approvals",
    "conditions",
    "digest",
    "distillation",
    "faults",
    "heals",
    "lastGood",
    "nodes",
    "observedGeneration",
    "rollout",
    "verbs",
    "version",
    "versions",
    "wishRevision",
)
"""Fields of the status that this command reads."""
SKEW = 5.0
"""Seconds that two clocks may differ; durations are then off by as much."""
BAD_SKEW = 300.0
"""Seconds from which on logins fail."""
UPGRADE = "helm upgrade --install edgemodel-operator charts/edgemodel-operator"


def api_server(facts: Facts) -> Iterator[Finding]:
    """Whether it answers, which is known by now."""
    yield ok("api server", f"answers, Kubernetes {facts.version.get('gitVersion', 'of an unknown version')}")


def clock(facts: Facts) -> Iterator[Finding]:
    """Whether this machine and the API server agree on the time."""
    skew = facts.skew
    if skew is None:
        return
    found = f"this machine's clock is {abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} the API server's"
    if abs(skew) >= BAD_SKEW:
        yield fail("clock", found, "set the clock: timedatectl set-ntp true")
    elif abs(skew) >= SKEW:
        yield warn("clock", f"{found}; ages that are shown are off by as much", "timedatectl set-ntp true")
    else:
        yield ok("clock", "this machine and the API server agree")


def rights(facts: Facts) -> Iterator[Finding]:
    """Whether the user may do what the commands do."""
    unknown = [what for what, may in facts.rights.items() if isinstance(may, Unknown)]
    missing = [what for what, may in facts.rights.items() if may is False]
    ask = f"kubectl auth can-i --list -n {facts.namespace}"
    if unknown:
        yield warn("your rights", f"not known: {', '.join(unknown)}", ask)
    needed = [what for what in missing if what in ("list edgemodels", "watch edgemodels")]
    if needed:
        yield fail("your rights", f"you may not {', '.join(needed)}: nothing can be shown", ask)
    elif "patch edgemodels" in missing:
        yield warn("your rights", "you may not patch edgemodels: rollback, approve and the like will be refused", ask)
    rest = [what for what in missing if "edgemodels" not in what]
    if rest:
        yield warn("your rights", f"you may not {', '.join(rest)}: less can be checked here", ask)
    if not unknown and not missing:
        yield ok("your rights", f"enough in namespace {facts.namespace}")


def crd(facts: Facts) -> Iterator[Finding]:
    """Whether the CRD is there, established, and as new as this command."""
    body = facts.crd
    if body is None:
        yield fail("crd", "the cluster does not know EdgeModels", UPGRADE)
        return
    if isinstance(body, Unknown):
        yield warn("crd", f"not seen: {body.why}")
        return
    conditions = body.get("status", {}).get("conditions", ())
    if not any(c["type"] == "Established" and c["status"] == "True" for c in conditions):
        yield fail("crd", "it is not established", "kubectl describe crd edgemodels.edgemodel.dev")
        return
    served = next((v for v in body["spec"]["versions"] if v["name"] == VERSION and v["served"]), None)
    if served is None:
        yield fail("crd", f"it does not serve {VERSION}", UPGRADE)
        return
    schema = served.get("schema", {}).get("openAPIV3Schema", {}).get("properties", {})
    missing = sorted(set(READS) - set(schema.get("status", {}).get("properties", {})))
    if missing:
        yield warn("crd", f"older than this command: it lacks status.{', status.'.join(missing)}", UPGRADE)
    else:
        yield ok("crd", f"serves {VERSION} with every field that this command reads")


def operator(facts: Facts) -> Iterator[Finding]:
    """Whether one operator runs, and looks after this namespace."""
    found = facts.installations
    if isinstance(found, Unknown):
        yield warn("operator", f"not seen: {found.why}", "ask who may list deployments in all namespaces")
        return
    if not found:
        yield fail("operator", "no Deployment of the operator's chart in any namespace", UPGRADE)
        return
    watching = [i for i in found if _watches(i.deployment, facts.namespace)]
    if not watching:
        yield fail(
            "operator", f"no operator watches namespace {facts.namespace}", "add it to the chart's value `namespaces`"
        )
    if len(watching) > 1:
        names = ", ".join(_name(i.deployment) for i in watching)
        yield fail(
            "operator", f"{names} watch the same namespace: they undo each other's work", "uninstall all but one"
        )
    for installation in watching:
        yield from _installed(installation)


def _installed(installation: Installation) -> Iterator[Finding]:
    deployment, pods = installation.deployment, installation.pods
    name, namespace = _name(deployment), deployment["metadata"]["namespace"]
    ready, wanted = deployment.get("status", {}).get("readyReplicas", 0), deployment["spec"].get("replicas", 1)
    troubles = [pod_trouble("operator", pod, known(installation.events)) for pod in known(pods)]
    yield from (trouble for trouble in troubles if trouble is not None)
    if not wanted:
        scale = f"kubectl scale deployment {deployment['metadata']['name']} -n {namespace} --replicas=1"
        yield fail("operator", f"{name} has 0 replicas: nothing is decided", scale)
    elif not ready:
        logs = f"kubectl logs deployment/{deployment['metadata']['name']} -n {namespace}"
        yield fail("operator", f"{name} is not ready: its heartbeat (/healthz) does not answer", logs)
    else:
        version = deployment["metadata"].get("labels", {}).get("app.kubernetes.io/version", "of an unknown version")
        yield ok("operator", f"{name} is ready, its heartbeat answers; version {version}")


def webhook(facts: Facts) -> Iterator[Finding]:
    """Whether the Secret with the webhook's token is there."""
    for installation in known(facts.installations):
        name, namespace = webhook_secret(installation.deployment), installation.deployment["metadata"]["namespace"]
        running = any(map(is_ready, known(installation.pods)))
        if not name:
            yield warn("webhook", "the operator mounts no Secret with the webhook's token", UPGRADE)
        elif installation.secret is True or (isinstance(installation.secret, Unknown) and running):
            yield ok("webhook", f"Secret {namespace}/{name} is there")
        elif isinstance(installation.secret, Unknown):
            yield warn("webhook", f"Secret {namespace}/{name} not seen: {installation.secret.why}")
        else:
            create = f"kubectl create secret generic {name} -n {namespace} --from-literal=token=…"
            yield fail("webhook", f"Secret {namespace}/{name} is not there: the operator cannot start", create)


def signals(facts: Facts) -> Iterator[Finding]:
    """Whether the operator's reads of Prometheus, or of the pods, are answered."""
    for installation in known(facts.installations):
        url = _environment(installation.deployment).get("OPERATOR_PROMETHEUS_URL", "")
        source = f"Prometheus at {url}" if url else "the pods' metrics"
        metrics = installation.metrics
        if isinstance(metrics, Unknown):
            yield warn("signals", f"reads {source}; its own metrics are not seen: {metrics.why}")
            continue
        good, bad = (_count(metrics, outcome) for outcome in ("ok", "error"))
        value = "see the chart's value prometheus.url" if url else "see that the operator reaches port 8081 of the pods"
        if bad and not good:
            yield fail("signals", f"{source} never answered the operator ({bad:.0f} tries)", value)
        elif bad > good:
            yield warn("signals", f"{source} answered {good:.0f} of {good + bad:.0f} times", value)
        elif good:
            yield ok("signals", f"{source} answered {good:.0f} of {good + bad:.0f} times")
        else:
            yield warn("signals", f"{source} was not asked yet", "wait for scrape.interval")


def _watches(deployment: Body, namespace: str) -> bool:
    wanted = _environment(deployment).get("OPERATOR_NAMESPACES", "")
    return not wanted or namespace in wanted.split(",")


def _environment(deployment: Body) -> dict[str, str]:
    containers = deployment["spec"]["template"]["spec"]["containers"]
    return {entry["name"]: entry.get("value", "") for entry in containers[0].get("env", ())}


def _name(deployment: Body) -> str:
    return f"{deployment['metadata']['namespace']}/{deployment['metadata']['name']}"


def _count(metrics: str, outcome: str) -> float:
    line = re.search(rf'^edgemodel_operator_signal_reads_total{{outcome="{outcome}"}} (\S+)$', metrics, re.MULTILINE)
    return float(line.group(1)) if line else 0.0
