"""What to do about one EdgeModel, given everything that is known: a pure function of one observation.

The order of `STEPS` is the order of rights: what people ask for first, then what is under way, then new faults.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from edgemodel.distillation import Source
from edgemodel.wish import Wish
from edgemodel_operator.api.status import DistillationStatus, Status
from edgemodel_operator.decide import (
    adoption,
    alerts,
    approval,
    blame,
    distill,
    guard,
    heal,
    nudge,
    placement,
    report,
    rollout,
    verbs,
    versions,
    wave,
    wish,
)
from edgemodel_operator.decide.draft import Draft
from edgemodel_operator.model.naming import DISTILLING, LABEL_COMPONENT, SERVING, labels
from edgemodel_operator.model.observation import Observation
from edgemodel_operator.model.plan import Action, Create, Delete, Ensure, Object, Plan, WriteStatus
from edgemodel_operator.render.alerting import PROMETHEUS_RULE, render_prometheus_rule
from edgemodel_operator.render.children import covers, stamp
from edgemodel_operator.render.job import Attempt, render_job
from edgemodel_operator.render.pod import PLAIN, PodDefaults
from edgemodel_operator.render.wish import NodeGuard, next_revision, render_wish, render_wish_config_map
from edgemodel_operator.render.workers import render_meeting_place
from edgemodel_operator.render.workload import render_service, render_workload

STEPS: tuple[Callable[[Observation, Draft], Draft], ...] = (
    versions.collect,
    adoption.take_over,
    alerts.take_in,
    verbs.carry_out,
    wish.follow_wish,
    distill.follow,
    wish.restart_analysis,
    rollout.advance,
    heal.prove,
    blame.assess,
    guard.count,
    heal.climb,
    approval.tidy,
    adoption.adopt,
    adoption.learn,
    versions.confirm,
    versions.remember_last_good,
    report.conclude,
)

STEPS_PAUSED: tuple[Callable[[Observation, Draft], Draft], ...] = (
    alerts.take_in,
    blame.assess,
    report.conclude,
)
"""What is left while a person wants nothing to be decided: to say how things are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Images:
    """Container images of what the operator makes, and how their pods are run."""

    inference: str
    distill: str
    pods: PodDefaults = PLAIN


def decide(observation: Observation, images: Images) -> Plan:
    """The plan for one EdgeModel. The status, which is the memory, comes first: what follows can be derived from it."""
    draft = Draft(status=observation.model.status)
    for step in STEPS_PAUSED if observation.paused else STEPS:
        draft = step(versions.forgive(observation, draft), draft)
    if observation.paused:
        return _plan(observation, draft, ())
    wanted = _revised(observation, draft)
    selector = ",".join(f"{key}={value}" for key, value in labels(observation.model.name, SERVING).items())
    draft = draft.set(wish_revision=wanted.revision, selector=selector)
    children = [
        render_wish_config_map(observation.model, wanted),
        render_workload(observation.model, images.inference, images.pods),
        render_service(observation.model, whole=placement.leaving(observation) is None),
    ]
    actions: list[Action] = list(_ensure(observation, children))
    if (kind := placement.retired(observation)) is not None:
        actions.append(Delete(kind, observation.model.name))
    actions += _jobs(observation, draft.status, images)
    actions += nudge.nudges(observation, wanted)
    actions += _alert_rules(observation)  # last: nothing waits for them
    return _plan(observation, nudge.look_again(observation, wanted, draft), actions)


def _plan(observation: Observation, draft: Draft, children: Iterable[Action]) -> Plan:
    before = observation.model.status
    same = draft.status == before or (status := _fitting(draft)) == before
    first = () if same else (WriteStatus(status),)
    return Plan(actions=(*first, *children), events=draft.events, wake=min(draft.wakes) if draft.wakes else None)


def _fitting(draft: Draft) -> Status:
    """The status with texts cut to what the API server takes."""
    return Status.model_validate(draft.status.model_dump())


def _wish(observation: Observation, draft: Draft) -> Wish:
    status = draft.status
    return render_wish(
        observation.model,
        status,
        versions.backup_of(observation, draft, status.version),
        guard=NodeGuard(turns=guard.turns(observation), held=guard.held(observation, draft)),
        everyone=status.rollout is not None and wave.last_step(observation, status.rollout),
        revision=1,
    )


def _revised(observation: Observation, draft: Draft) -> Wish:
    """The wish under its revision. One that something keeps from being written is tried again under the same one."""
    wanted, remembered, before = _wish(observation, draft), draft.status.wish_revision, observation.model
    if observation.wish is None and observation.obstacle is not None and remembered:
        read = before.status.observed_generation == before.generation
        if read and wanted == _wish(observation, Draft(status=before.status)):
            return wanted.model_copy(update={"revision": remembered})
    return next_revision(wanted, observation.wish, remembered)


def _ensure(observation: Observation, children: list[Object]) -> Iterator[Action]:
    for body in map(stamp, children):
        present: Mapping[str, object] | None = observation.children.get((body["kind"], body["metadata"]["name"]))
        if present is None or not covers(present, body):
            yield Ensure(body)


def _alert_rules(observation: Observation) -> Iterator[Action]:
    model, rule_labels = observation.model, observation.rule_labels
    if rule_labels is not None and model.spec.health.rules:
        yield from _ensure(observation, [render_prometheus_rule(model, rule_labels)])
    elif (PROMETHEUS_RULE, model.name) in observation.children:
        yield Delete(PROMETHEUS_RULE, model.name)


def _jobs(observation: Observation, status: Status, images: Images) -> Iterator[Action]:
    distillation = status.distillation
    running = distillation is not None and distillation.phase in distill.RUNNING
    yield from _meeting_places(observation, distillation if running else None)
    for job in observation.jobs:
        if not job.finished and not (running and distillation is not None and job.name == distillation.job):
            yield Delete("Job", job.name)
    if running and distillation is not None and all(job.name != distillation.job for job in observation.jobs):
        yield Create(_job(observation, status, distillation, images))


def _meeting_places(observation: Observation, running: DistillationStatus | None) -> Iterator[Action]:
    """A Service for the workers of the distillation that runs, as many as it began with, and for no other."""
    wanted, spec = None, observation.model.spec.distillation
    if running is not None and running.job is not None:
        asked = spec.workers if spec is not None else 1
        workers = next((job.workers for job in observation.jobs if job.name == running.job), asked)
        wanted = running.job if workers > 1 else None
    for (kind, name), body in sorted(observation.children.items()):
        ours = body["metadata"].get("labels", {}).get(LABEL_COMPONENT) == DISTILLING
        if kind == "Service" and ours and name != wanted:
            yield Delete(kind, name)
    if wanted is not None:
        yield from _ensure(observation, [render_meeting_place(observation.model, wanted)])


def _job(observation: Observation, status: Status, distillation: DistillationStatus, images: Images) -> Object:
    parent = distill.parent_of(status)
    open_heal = distill.heal_of(status, distillation)
    attempt = Attempt(
        number=distillation.attempt,
        parent=None if parent is None else Source(uri=parent.uri, digest=parent.digest),
        nodes=tuple(sorted(node.name for node in observation.nodes)),
        epochs=distill.epochs_of(observation, open_heal),
    )
    return render_job(observation.model, images.distill, attempt, images.pods)
