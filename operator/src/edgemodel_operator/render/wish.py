"""The wish ConfigMap: what every node is to do, from the decided status."""

from dataclasses import dataclass

from edgemodel import wish
from edgemodel.cloud import Cloud
from edgemodel.wish import Artifact, Assignment, Held, Wish
from edgemodel_operator.api.cloud import Cloud as CloudSpec
from edgemodel_operator.api.healing import Action
from edgemodel_operator.api.resource import EdgeModel
from edgemodel_operator.api.states import VersionState
from edgemodel_operator.api.status import Status, VersionStatus
from edgemodel_operator.model.naming import SERVING, wish_config_map
from edgemodel_operator.model.plan import Object
from edgemodel_operator.render.attachments import cloud_files, key_file
from edgemodel_operator.render.children import child


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeGuard:
    """What the fleet guard lets nodes do by themselves."""

    turns: int
    held: Held


def render_wish(  # noqa: PLR0913 (what was decided)
    model: EdgeModel,
    status: Status,
    backup: VersionStatus | None,
    *,
    guard: NodeGuard,
    everyone: bool,
    revision: int,
) -> Wish:
    """The wish for `status`; `everyone`: a rollout under way has reached all nodes. Equal input, equal wish."""
    serving = status.find_version(status.version) if status.version else None
    rollout = status.rollout
    target = status.find_version(rollout.to) if rollout is not None else None
    default = _assignment(serving, backup)
    exceptions: dict[str, Assignment] = {}
    if rollout is not None and target is not None:
        canary = _assignment(target, serving)
        if everyone:
            default = canary
        elif canary is not None:
            exceptions = dict.fromkeys(sorted(rollout.nodes), canary)
    barred = (VersionState.QUARANTINED, VersionState.REJECTED)
    samples = model.spec.serving.samples
    return Wish(
        revision=revision,
        namespace=model.namespace,
        model=model.name,
        default=default,
        exceptions=exceptions,
        refused=tuple(sorted({v.digest for v in status.versions if v.state in barred})),
        cleared=tuple(sorted({v.digest for v in status.versions if v.reason == "Exonerated" or v.cleared_in})),
        cleared_in={v.digest: v.cleared_in for v in status.versions if v.cleared_in},
        interval=model.spec.health.interval,
        rules=model.spec.health.rules,
        healing=_healing(model, guard),
        sampling=None if samples is None else wish.Sampling(keep_hardest=samples.keep_hardest, sink=samples.sink),
        trusted_keys=model.spec.registry.trusted_keys,
        cloud=None if model.spec.cloud is None else _cloud(model.spec.cloud),
    )


def next_revision(wanted: Wish, present: Wish | None, remembered: int) -> Wish:
    """`wanted` with the present revision if it says the same, else with the next one.

    A revision that is remembered and not there may have been written all the same, by a write whose answer was lost.
    """
    if present is None or present.revision < remembered:
        return wanted.model_copy(update={"revision": remembered + 1})
    same = wanted.model_copy(update={"revision": present.revision}) == present
    return present if same else wanted.model_copy(update={"revision": present.revision + 1})


def render_wish_config_map(model: EdgeModel, wanted: Wish) -> Object:
    """The ConfigMap that all pods of the EdgeModel mount."""
    name = wish_config_map(model.name)
    return child(model, "v1", "ConfigMap", name, SERVING, data={wish.FILE_NAME: wanted.dump()})


def _assignment(version: VersionStatus | None, backup: VersionStatus | None) -> Assignment | None:
    if version is None:
        return None
    return Assignment(active=_artifact(version), backup=None if backup is None else _artifact(backup))


def _artifact(version: VersionStatus) -> Artifact:
    return Artifact(name=version.name, uri=version.uri, digest=version.digest)


def _healing(model: EdgeModel, guard: NodeGuard) -> wish.Healing:
    healing = model.spec.healing
    strategies = tuple(
        wish.LocalStrategy(
            faults=strategy.faults,
            actions=tuple(_action(action) for action in strategy.actions),
        )
        for strategy in healing.strategies
    )
    return wish.Healing(
        strategies=strategies,
        settle=healing.settle,
        min_samples=healing.min_samples,
        cooldown=healing.cooldown,
        max_per_hour=healing.max_per_hour,
        turns=guard.turns,
        held=guard.held,
    )


def _cloud(spec: CloudSpec) -> Cloud:
    token, ca = cloud_files(spec)
    return Cloud(
        url=spec.url,
        threshold=spec.threshold,
        adaptive=spec.adaptive,
        timeout=spec.timeout,
        retries=spec.retries,
        daily_budget=spec.daily_budget,
        token_file=token,
        ca_file=ca,
    )


def _action(action: Action) -> wish.LocalAction:
    hook = action.webhook
    wanted = (
        None
        if hook is None
        else wish.Webhook(url=hook.url, key_file=key_file(hook.secret), timeout=hook.timeout, retries=hook.retries)
    )
    return wish.LocalAction(type=action.type, delay=action.delay, webhook=wanted)
