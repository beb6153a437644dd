"""One tick of one EdgeModel: observe, decide, apply, report."""

import socket
from collections.abc import Callable, Iterable, Mapping
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
from edgemodel_operator.model.plan import Action, Plan, WriteStatus
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
            await self._stall(body, Reason.INVALID_SPEC, str(error))
            return None
        if model.deleting:
            return None
        observation = self._world.observe(model, self._board, now)
        plan = decide(observation, self._images)
        await self._perform(body, observation, plan)
        return None if plan.wake is None else max((plan.wake - self._clock()).total_seconds(), 0.0)

    async def _perform(self, body: Mapping[str, Any], observation: Observation, plan: Plan) -> None:
        """The status, which is the memory; then what follows from it; then what people are told of it."""
        model = observation.model
        memory = [action for action in plan.actions if isinstance(action, WriteStatus)]
        rest = [action for action in plan.actions if not isinstance(action, WriteStatus)]
        await self._carry_out(body, observation, memory)
        self._board.inbox.wrote(Key(model.namespace, model.name), observation.notices)
        try:
            await self._carry_out(body, observation, rest)
        except ClusterError:
            await self._tell(observation, plan)  # now or never: to the next tick all of it is known
            raise
        await self._tell(observation, plan)

    async def _carry_out(self, body: Mapping[str, Any], observation: Observation, actions: Iterable[Action]) -> None:
        model, now = observation.model, observation.now
        hands = Hands(cluster=self._cluster, world=self._world, children=observation.children, now=now)
        for action in actions:
            await carry_out(hands, model, body, action)
            WRITES.labels(type(action).__name__).inc()
            log.info("wrote", edgemodel=f"{model.namespace}/{model.name}", action=_summary(action))

    async def _tell(self, observation: Observation, plan: Plan) -> None:
        """Post the events. One is a courtesy: the status has it all."""
        model = observation.model
        for event in plan.events:
            log.info("event", edgemodel=f"{model.namespace}/{model.name}", reason=event.reason, message=event.message)
            try:
                await post(self._cluster, model, event, observation.now, self._instance)
            except ClusterError as error:
                log.warning("event was not posted", reason=event.reason, error=str(error))

    async def broke(self, key: Key, error: Exception) -> float:
        """A tick ended with an `error` that nobody foresaw: people are to see it; the seconds until the next try."""
        TICKS.labels("bug").inc()
        log.error("a tick failed", edgemodel=str(key), exc_info=error)
        message = f"the operator failed with {type(error).__name__}, a bug: its log says where; it goes on trying"
        self._world.stumbled(key, (Reason.INTERNAL_ERROR, message))  # for ticks that come as far as to a status
        self._failures[key] = self._failures.get(key, 0) + 1
        if (body := self._world.body(key)) is not None:
            try:
                await self._stall(body, Reason.INTERNAL_ERROR, message)
            except ClusterError as refused:
                log.warning("could not say so in the status", edgemodel=str(key), error=str(refused))
        return RETRY_DELAYS[-2]

    async def _stall(self, body: Mapping[str, Any], reason: Reason, message: str) -> None:
        """Say in the status why nothing can be decided, once."""
        now = self._clock()
        status = refuse(body, reason, message, now)
        if status == body.get("status"):
            return
        metadata = body["metadata"]
        namespace, name, version = metadata["namespace"], metadata["name"], metadata["resourceVersion"]
        log.warning("nothing can be decided", edgemodel=f"{namespace}/{name}", reason=reason.value, error=message)
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
