"""One tick of one EdgeModel: observe, decide, apply, report."""

import socket
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import structlog

from edgemodel_operator.api import resource
from edgemodel_operator.api.reasons import Reason
from edgemodel_operator.cluster.apply import Hands, carry_out, post
from edgemodel_operator.cluster.client import Cluster
from edgemodel_operator.cluster.world import World
from edgemodel_operator.decide import Images, decide
from edgemodel_operator.decide.refusal import refuse
from edgemodel_operator.errors import ApiError, ClusterError, Conflict, Forbidden, Invalid, NameTaken
from edgemodel_operator.metrics import TICKS, WRITES
from edgemodel_operator.model.naming import Key
from edgemodel_operator.model.observation import Observation
from edgemodel_operator.model.plan import Plan, WriteStatus
from edgemodel_operator.signals.board import Board

log = structlog.get_logger()

CONFLICT_DELAY = 0.2
"""Seconds until a tick that lost a race looks again; the watch has caught up by then."""
RETRY_DELAYS = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
"""Seconds between tries while the API server refuses or is away."""

_OBSTACLES: Mapping[type[ClusterError], Reason] = {
    NameTaken: Reason.NAME_TAKEN,
    Forbidden: Reason.FORBIDDEN,
    Invalid: Reason.INVALID_SPEC,
}


class Reconciler:
    """Ticks. Everything it remembers is in the status; failures are counted only to space out the tries."""

    def __init__(
        self, cluster: Cluster, world: World, board: Board, images: Images, clock: Callable[[], datetime]
    ) -> None:
        self._cluster, self._world, self._board = cluster, world, board
        self._images, self._clock = images, clock
        self._failures: dict[Key, int] = {}
        self._instance = socket.gethostname()

    async def tick(self, key: Key) -> float | None:
        """Work on one EdgeModel once; the seconds until it wants to be looked at again, if it does."""
        body = self._world.body(key)
        if body is None:
            self._board.forget(key)
            self._failures.pop(key, None)
            return None
        try:
            delay = await self._work(body)
        except Conflict as error:
            TICKS.labels("conflict").inc()
            log.debug("lost a race", edgemodel=str(key), error=str(error))
            return CONFLICT_DELAY
        except ClusterError as error:
            return self._stumble(key, error)
        TICKS.labels("ok").inc()
        if self._failures.pop(key, 0):
            self._world.stumbled(key, None)
            return CONFLICT_DELAY
        return delay

    async def _work(self, body: Mapping[str, Any]) -> float | None:
        now = self._clock()
        if wait := self._board.patience(now):
            return wait
        try:
            model = resource.parse(body)
        except ApiError as error:
            await self._refuse(body, str(error), now)
            return None
        if model.deleting:
            return None
        observation = self._world.observe(model, self._board, now)
        plan = decide(observation, self._images)
        await self._perform(body, observation, plan)
        return None if plan.wake is None else max((plan.wake - self._clock()).total_seconds(), 0.0)

    async def _perform(self, body: Mapping[str, Any], observation: Observation, plan: Plan) -> None:
        model, now = observation.model, observation.now
        hands = Hands(cluster=self._cluster, world=self._world, children=observation.children, now=now)
        told = False
        for action in plan.actions:
            if not told and not isinstance(action, WriteStatus):
                told = await self._tell(observation, plan)
            await carry_out(hands, model, body, action)
            WRITES.labels(type(action).__name__).inc()
            log.info("wrote", edgemodel=f"{model.namespace}/{model.name}", action=_summary(action))
        if not told:
            await self._tell(observation, plan)

    async def _tell(self, observation: Observation, plan: Plan) -> bool:
        """The status is written: tell who waited for that, and everybody what has changed."""
        model = observation.model
        self._board.inbox.wrote(Key(model.namespace, model.name), observation.notices)
        for event in plan.events:
            log.info("event", edgemodel=f"{model.namespace}/{model.name}", reason=event.reason, message=event.message)
            try:
                await post(self._cluster, model, event, observation.now, self._instance)
            except ClusterError as error:  # an event is a courtesy: the status has it all
                log.warning("event was not posted", reason=event.reason, error=str(error))
        return True

    async def _refuse(self, body: Mapping[str, Any], message: str, now: datetime) -> None:
        status = refuse(body, message, now)
        if status == body.get("status"):
            return
        metadata = body["metadata"]
        namespace, name, version = metadata["namespace"], metadata["name"], metadata["resourceVersion"]
        log.warning("the spec does not parse", edgemodel=f"{namespace}/{name}", error=message)
        written = await self._cluster.write_status(namespace, name, version, status)
        self._world.wrote(Key(namespace, name), written, now)

    def _stumble(self, key: Key, error: ClusterError) -> float:
        TICKS.labels("error").inc()
        count = self._failures.get(key, 0)
        self._failures[key] = count + 1
        log.warning("could not carry out the plan", edgemodel=str(key), error=str(error), failures=count + 1)
        reason = _OBSTACLES.get(type(error))
        self._world.stumbled(key, None if reason is None else (reason, str(error)))
        return RETRY_DELAYS[min(count, len(RETRY_DELAYS) - 1)]


def _summary(action: object) -> str:
    body = getattr(action, "object", None)
    if isinstance(body, Mapping):
        return f"{type(action).__name__} {body['kind']} {body['metadata']['name']}"
    if isinstance(action, WriteStatus):
        return f"WriteStatus version={action.status.version} revision={action.status.wish_revision}"
    return repr(action)
