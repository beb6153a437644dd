"""Which step of the operator's decision a reason comes from, what would change it, and what a person may do. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from edgemodel_cli.seen import Seen, text

CHECKS: Mapping[str, str] = {
    "spec": "whether the wish can be read at all",
    "versions": "what failed once stays out until a person clears it",
    "verbs": "what people ask for comes first",
    "nodes": "every wanted node answers from a verified version",
    "distillation": "a student ships only through its gates",
    "rollout": "a version goes on only where it is as good as what served before",
    "proof": "after settle, the same detector is quiet, with enough requests",
    "blame": "a quorum of the nodes that serve a version blames it",
    "ladder": "one action after another, each proved before the next",
    "guard": "a storm of heals in the fleet is stopped",
    "approval": "spec.healing.approval wants a person's word",
    "telemetry": "no news is no verdict: nothing is touched",
}
"""The operator's steps, and the rule that each follows."""


@dataclass(frozen=True, slots=True)
class Advice:
    """About one reason: the step of `CHECKS` that gives it, what would change it, and the next command or deed.

    `{name}`, `{where}`, `{wished}` and `{last_good}` are filled in.
    """

    check: str
    changes: str
    do: str = ""


_BACK = "edgemodel rollback {name} {last_good}{where}"

ADVICE: Mapping[str, Advice] = {
    # Ready
    "NoNodes": Advice(
        "nodes", "a node gets the labels, or another selector is wished", "kubectl label node NODE KEY=VALUE"
    ),
    "NodesNotReady": Advice("nodes", "the nodes that are named answer", "edgemodel doctor {name}{where}"),
    "NothingServes": Advice("nodes", "one node answers from a verified version", "edgemodel doctor {name}{where}"),
    "NotObserved": Advice("nodes", "nodes are seen", "edgemodel doctor {name}{where}"),
    # Stalled
    "InvalidSpec": Advice("spec", "the fields that are named are corrected", "kubectl edit edgemodel {name}{where}"),
    "VersionQuarantined": Advice(
        "versions",
        "spec.version names another version, or a person clears this one",
        "edgemodel clear-quarantine {name} {wished}{where}",
    ),
    "ArtifactRefused": Advice(
        "nodes",
        "spec.version names a bundle that nodes accept",
        "edgemodel bundle verify DIR, push it, wish its digest",
    ),
    "ArtifactUnreachable": Advice(
        "nodes",
        "nodes reach the registry; spec.registry may need its login and certificates",
        "edgemodel doctor {name}{where}",
    ),
    "ProgressDeadlineExceeded": Advice("rollout", "the nodes of the rollout take it, or it is taken back", _BACK),
    "NameTaken": Advice("nodes", "the object that is named is deleted or renamed", "kubectl delete …"),
    "Forbidden": Advice(
        "nodes", "the operator's role has the permission that is named", "helm upgrade the operator's chart"
    ),
    "InternalError": Advice(
        "nodes",
        "an operator without the bug runs; report it with what the log says",
        "edgemodel report {name}{where}",
    ),
    # Degraded
    "VersionBlamed": Advice("blame", "the ladder's actions help, or a person rolls back", _BACK),
    "InputBlamed": Advice("blame", "the input is as before, or a student that copes with it serves"),
    "NodeBlamed": Advice("blame", "the node heals itself, or more nodes report it", "kubectl describe node NODE"),
    "CloudBlamed": Advice(
        "blame", "the cloud answers as the rule wants, or spec.cloud names another", "edgemodel doctor {name}{where}"
    ),
    "TelemetryBlamed": Advice("telemetry", "the nodes report again", "edgemodel doctor {name}{where}"),
    "BackupServing": Advice("versions", "the wished version is cleared, or another is wished"),
    # Healing
    "Acting": Advice("ladder", "the action is done"),
    "Settling": Advice("proof", "spec.healing.settle is over"),
    "WaitingForEvidence": Advice("proof", "spec.healing.minSamples requests were answered"),
    "Delayed": Advice("ladder", "the action's delay is over"),
    "AlertAnswered": Advice("ladder", "the alert is resolved, or a person acts", _BACK),
    "NodesFirst": Advice("ladder", "the nodes have tried what only they can do, or have had the time for it"),
    "HealStorm": Advice(
        "guard", "half as many heals are left in the last hour, or a person approves", "edgemodel approve {name}{where}"
    ),
    "CoolingDown": Advice("ladder", "spec.healing.cooldown is over"),
    "TooManyHeals": Advice("ladder", "an hour is over, or spec.healing.maxPerHour is raised", _BACK),
    "Unproved": Advice("proof", "requests come in and are measured"),
    "LadderExhausted": Advice(
        "ladder", "another version is wished, or a student is made", "edgemodel redistill {name}{where}"
    ),
    "PersonAsked": Advice("ladder", "the fault goes away, or a person acts", _BACK),
    "NoBackup": Advice("versions", "another version is wished", "edgemodel history {name}{where}"),
    "NoStrategy": Advice("ladder", "a strategy in spec.healing.strategies names the fault", _BACK),
    # Distilling
    "WaitingForSamples": Advice("distillation", "nodes have pushed enough samples, or the wait for them is over"),
    "JobPending": Advice(
        "distillation", "the Job's pod starts", "kubectl describe job -l edgemodel.dev/name={name}{where}"
    ),
    "JobRunning": Advice("distillation", "the Job ends"),
    "TooFewSamples": Advice(
        "distillation",
        "the nodes push enough hard samples, or fewer are asked for",
        "edgemodel redistill {name}{where}",
    ),
    "JobFailed": Advice("distillation", "a Job ends well", "edgemodel redistill {name}{where}"),
    "GatesRejected": Advice("distillation", "a student passes every gate", "edgemodel redistill {name}{where}"),
    # RollingOut
    "Canary": Advice("rollout", "the step was held and judged well, or it fails"),
    "Wave": Advice("rollout", "the step was held and judged well, or it fails"),
    "WaitingForNodes": Advice("nodes", "the nodes that are named have carried out the wish"),
    # AwaitingApproval
    "BeforeSwitch": Advice("approval", "a person says yes or no"),
    "BeforeRedistill": Advice("approval", "a person says yes or no"),
    "BeforePromote": Advice("approval", "a person says yes or no"),
    "NodeExhausted": Advice("ladder", "somebody looks at the node", "kubectl describe node NODE"),
    "BeforeStep": Advice("approval", "a person says yes or no"),
    # TelemetryFresh
    "Stale": Advice("telemetry", "the nodes that are named can be measured", "edgemodel doctor {name}{where}"),
    "Absent": Advice("telemetry", "Prometheus answers, or the pods can be scraped", "edgemodel doctor {name}{where}"),
    # Paused
    "PausedByPerson": Advice("verbs", "a person resumes it", "edgemodel resume {name}{where}"),
}
"""By the reason of a condition."""


def command(reason: str, model: Seen) -> str:
    """The next command about `reason`; empty: there is nothing to do by hand."""
    known = ADVICE.get(reason)
    return "" if known is None else fill(known.do, model)


def fill(text_: str, model: Seen) -> str:
    """`text_` with the names of this EdgeModel."""
    return text_.format(
        name=model.name,
        where=f" -n {model.namespace}",
        wished=text(model.spec, "version"),
        last_good=text(model.status, "lastGood", "VERSION"),
    )
