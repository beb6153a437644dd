"""What one field alone cannot show, checked in Python; `validations` says the same to the API server.

An object stored before a rule was added to the CRD is not checked again there, so it is checked here too.
"""

from collections.abc import Callable, Iterable, Iterator

from edgemodel.ladder import ActionType
from edgemodel_operator.api.spec import Spec

ABOUT_CLOUD = (ActionType.WEBHOOK, ActionType.ALERT)
"""Actions about a fault of the cloud: another version or process here changes nothing there."""

Check = Callable[[Spec], Iterator[str]]
"""Yields one line per field that is wrong."""


def problems(spec: Spec) -> list[str]:
    """Each problem of `spec` on one line that begins with the field."""
    return [line for check in CHECKS for line in check(spec)]


def _names_are_unique(spec: Spec) -> Iterator[str]:
    yield from _duplicates("spec.versions", (version.name for version in spec.versions))
    yield from _duplicates("spec.health.rules", (rule.name for rule in spec.health.rules))


def _version_is_known(spec: Spec) -> Iterator[str]:
    known = ", ".join(version.name for version in spec.versions)
    if spec.find_version(spec.version) is None:
        yield f"spec.version: want one of {known}, got {spec.version!r}"
    if spec.backup is not None and spec.find_version(spec.backup) is None:
        yield f"spec.backup: want one of {known}, got {spec.backup!r}"
    if spec.backup == spec.version:
        yield f"spec.backup: want another version than spec.version, got {spec.backup!r}"


def _replicas_fit_mode(spec: Spec) -> Iterator[str]:
    replicas = spec.placement.replicas
    if spec.placement.mode == "Replicas" and replicas is None:
        yield "spec.placement.replicas: want a number with mode Replicas, for example 2"
    if spec.placement.mode == "EveryNode" and replicas is not None:
        yield f"spec.placement.replicas: want none with mode EveryNode, got {replicas}"


def _faults_have_rules(spec: Spec) -> Iterator[str]:
    for i, strategy in enumerate(spec.healing.strategies):
        for j, fault in enumerate(strategy.faults):
            if spec.health.rule(fault) is None:
                yield f"spec.healing.strategies[{i}].faults[{j}]: want the name of a rule of spec.health, got {fault!r}"


def _redistill_is_set_up(spec: Spec) -> Iterator[str]:
    for i, strategy in enumerate(spec.healing.strategies):
        for j, action in enumerate(strategy.actions):
            where = f"spec.healing.strategies[{i}].actions[{j}]"
            if action.type is ActionType.REDISTILL:
                if spec.distillation is None:
                    yield f"{where}: Redistill wants spec.distillation with teacher, dataset and push"
                if action.samples is not None and spec.serving.samples is None:
                    yield f"{where}.samples: wants spec.serving.samples with a sink"
            elif action.samples is not None or action.epochs is not None:
                yield f"{where}: samples and epochs belong to Redistill, got {action.type.value}"


def _webhook_fits_type(spec: Spec) -> Iterator[str]:
    for i, strategy in enumerate(spec.healing.strategies):
        for j, action in enumerate(strategy.actions):
            where = f"spec.healing.strategies[{i}].actions[{j}].webhook"
            if action.type is ActionType.WEBHOOK and action.webhook is None:
                yield f"{where}: want url and secret with type Webhook"
            if action.type is not ActionType.WEBHOOK and action.webhook is not None:
                yield f"{where}: belongs to Webhook, got {action.type.value}"


def _students_may_serve(spec: Spec) -> Iterator[str]:
    keys, distillation = spec.registry.trusted_keys, spec.distillation
    if keys is not None and distillation is not None and distillation.signing_secret is None:
        yield "spec.distillation.signingSecret: want a Secret: spec.registry.trustedKeys lets nothing unsigned serve"


def _work_is_apart_from_data(spec: Spec) -> Iterator[str]:
    distillation = spec.distillation
    if distillation is not None and distillation.checkpoints is not None:
        claim = distillation.checkpoints.claim
        if distillation.volume is not None and distillation.volume.claim == claim:
            yield (
                "spec.distillation.checkpoints.claim: want another claim than that of spec.distillation.volume, which "
                f"is read-only, got {claim!r} for both"
            )


def _cloud_fits_rules(spec: Spec) -> Iterator[str]:
    about_cloud = {rule.name for rule in spec.health.rules if rule.about_cloud}
    if about_cloud and spec.cloud is None:
        yield "spec.cloud: want url and so on: a rule of spec.health watches cloud_ratio"
    for i, strategy in enumerate(spec.healing.strategies):
        for j, action in enumerate(strategy.actions):
            if about_cloud.intersection(strategy.faults) and action.type not in ABOUT_CLOUD:
                where = f"spec.healing.strategies[{i}].actions[{j}]"
                yield f"{where}: want Webhook or Alert for a fault of the cloud, got {action.type.value}"


CHECKS: tuple[Check, ...] = (
    _names_are_unique,
    _version_is_known,
    _replicas_fit_mode,
    _faults_have_rules,
    _redistill_is_set_up,
    _webhook_fits_type,
    _students_may_serve,
    _work_is_apart_from_data,
    _cloud_fits_rules,
)


def _duplicates(where: str, names: Iterable[str]) -> Iterator[str]:
    seen: set[str] = set()
    for i, name in enumerate(names):
        if name in seen:
            yield f"{where}[{i}].name: want a name of its own, got {name!r} twice"
        seen.add(name)
