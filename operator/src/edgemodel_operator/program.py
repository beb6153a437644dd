"""The running operator: watches, workers, signals and the two small HTTP servers, until it is told to stop."""

import asyncio
import signal
import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any

import aiohttp
import kopf
import structlog
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from edgemodel_operator import metrics
from edgemodel_operator.cluster.client import Cluster
from edgemodel_operator.cluster.world import World
from edgemodel_operator.decide import Images
from edgemodel_operator.errors import SignalError, Undelivered, WatchEnded
from edgemodel_operator.handlers import register
from edgemodel_operator.model.naming import MANAGER, Key
from edgemodel_operator.queue import KeyedQueue
from edgemodel_operator.reconcile import Reconciler
from edgemodel_operator.render.pod import PodDefaults
from edgemodel_operator.servers import listen
from edgemodel_operator.settings import Settings
from edgemodel_operator.signals.access import Access
from edgemodel_operator.signals.board import Board
from edgemodel_operator.signals.sources import Prometheus, Scrape, Source
from edgemodel_operator.signals.webhook import Delivery, application

log = structlog.get_logger()

KOPF_ENDS = 8.0
"""Seconds until kopf has ended what it started; it waits for 5 of them where something hangs."""


def now() -> datetime:
    """The wall clock, to the millisecond, as it goes into the status."""
    moment = datetime.now(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


class Program:
    """The operator. `run` returns after `stop` is set."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._world = World(settings.prometheus_rule_labels if settings.prometheus_rules else None)
        self._queue: KeyedQueue[Key] = KeyedQueue()
        self._board = Board(settings.signal_interval, alerts=bool(settings.prometheus_url))
        self._bell = asyncio.Event()
        self._registry = kopf.OperatorRegistry()

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set, by whoever or by SIGTERM, then end everything that was started.

        Raises:
            WatchEnded: the watches ended by themselves.
        """
        ending = asyncio.Event()
        self._register(ending)
        async with AsyncExitStack() as stack:
            cluster = await stack.enter_async_context(Cluster())
            session = await stack.enter_async_context(aiohttp.ClientSession())
            images = _images(self._settings)
            reconciler = Reconciler(cluster, self._world, self._board, images, now)
            async with AsyncExitStack() as servers:  # closed before kopf is waited for: it waits for their connections
                await self._serve(servers)
                watch = asyncio.create_task(self._watch(stop))  # takes for its own what begins after it
                jobs = [asyncio.create_task(self._listen(self._source(session)))]
                jobs += [asyncio.create_task(self._work(reconciler)) for _ in range(self._settings.workers)]
                jobs += [asyncio.create_task(_until(event)) for event in (stop, ending)]
                log.info("started", version=metrics.VERSION, signals=self._settings.prometheus_url or "pods")
                done, _ = await asyncio.wait([watch, *jobs], return_when=asyncio.FIRST_COMPLETED)
                asked = stop.is_set()
                stop.set()
                self._queue.close()
                for job in jobs:
                    job.cancel()
            await asyncio.wait([watch], timeout=KOPF_ENDS)
            watch.cancel()
            (why, *_) = await asyncio.gather(watch, *jobs, return_exceptions=True)
            for job in done - {watch}:
                job.result()
            if not asked:
                raise WatchEnded(f"{why!r}: the lines before this one have it all")
            log.info("stopped")

    def _register(self, ending: asyncio.Event) -> None:
        register(self._registry, self._world, self._queue, prometheus_rules=self._settings.prometheus_rules)

        @kopf.on.cleanup(registry=self._registry)
        async def stopping_too(**_: Any) -> None:
            ending.set()  # kopf waits for what it did not start

    def _source(self, session: aiohttp.ClientSession) -> Source:
        if self._settings.prometheus_url:
            access = Access(self._settings.prometheus_token_file, self._settings.prometheus_ca_file)
            return Prometheus(session, self._settings.prometheus_url, access)
        return Scrape(session, self._world.targets, now)

    async def _watch(self, stop: asyncio.Event) -> None:
        namespaces, others = self._settings.watched(), asyncio.all_tasks()
        tasks = await kopf.spawn_tasks(
            registry=self._registry,
            clusterwide=not namespaces,
            namespaces=namespaces,
            standalone=True,
            identity=MANAGER,  # type: ignore[arg-type]  # its own type is private; without it kopf asks for a user name
            stop_flag=stop,
        )
        stop_on_signals(stop)  # again: kopf has taken them for itself, and does not say which of its ends was wanted
        await kopf.run_tasks(tasks, ignored=others)

    async def _work(self, reconciler: Reconciler) -> None:
        while True:
            key = await self._queue.get()
            try:
                delay = await reconciler.tick(key)
            except Exception as error:  # noqa: BLE001 (told in log, status and metrics; other EdgeModels are looked after)
                delay = await reconciler.broke(key, error)
            finally:
                self._queue.done(key)
            if delay is not None:
                self._queue.add_after(key, delay)

    async def _listen(self, source: Source) -> None:
        await self._world.complete.wait()
        self._board.begin(now())
        fresh: bool | None = None
        while True:
            began = time.monotonic()
            changed: set[Key] = set()
            try:
                changed = self._board.take(await source.read(), now())
                metrics.SIGNAL_READS.labels("ok").inc()
            except SignalError as error:
                metrics.SIGNAL_READS.labels("error").inc()
                log.warning("no signals", error=str(error))
            if self._board.telemetry(now()) is not fresh:
                fresh = self._board.telemetry(now())
                changed = set(self._world.edgemodels())
            for key in changed:
                self._queue.add(key)
            metrics.QUEUE.set(len(self._queue))
            metrics.MODELS.set(len(self._world.edgemodels()))
            await self._pause(time.monotonic() - began)

    async def _pause(self, spent: float) -> None:
        """Until the bell rings, or the next reading is due; `spent` are the seconds that the last one took."""
        interval = self._settings.signal_interval
        try:
            await asyncio.wait_for(self._bell.wait(), max(interval - spent, interval / 10))
        except TimeoutError:
            return
        self._bell.clear()

    async def _deliver(self, delivery: Delivery) -> int:
        """Take one delivery; returns when what it says would survive the end of this process.

        Raises:
            Undelivered: it would not; the sender is to come again.
        """
        if delivery.truncated:
            log.warning(
                "a delivery lacks alerts: in Alertmanager group_by namespace, edgemodel", lacking=delivery.truncated
            )
        if not self._world.complete.is_set():
            raise Undelivered("this operator has just started and does not know all EdgeModels yet")
        known = {key: found for key, found in delivery.notices.items() if self._world.body(key) is not None}
        count = sum(map(len, known.values()))
        metrics.ALERTS.inc(count)
        for key, notices in known.items():
            firing = sorted({notice.alert.fault for notice in notices if notice.firing})
            log.info("alerts", edgemodel=str(key), notices=len(notices), firing=firing)
            self._queue.add(key)
        if known:
            self._bell.set()
        if not self._settings.prometheus_url:  # else its next answer says what fires, to this process or another
            await self._board.inbox.deliver(known)
        return count

    async def _readyz(self, _request: web.Request) -> web.Response:
        """Ready is who sees the cluster: not while permissions are missing, or the API server is away."""
        if self._world.complete.is_set():
            return web.Response(text="ok\n")
        return web.Response(status=503, text="the API server has not shown all objects yet; the log says why\n")

    async def _serve(self, stack: AsyncExitStack) -> None:
        health, own = web.Application(), web.Application()
        health.router.add_get("/healthz", _healthz)
        own.router.add_get("/metrics", _metrics)
        own.router.add_get("/readyz", self._readyz)
        await listen(stack, health, self._settings.health_port)
        await listen(stack, own, self._settings.metrics_port)
        await listen(stack, application(self._settings.webhook_token_file, self._deliver), self._settings.webhook_port)


def stop_on_signals(stop: asyncio.Event) -> None:
    """Have the signals that end a process set `stop`."""
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)


def _images(settings: Settings) -> Images:
    pods = PodDefaults(ids=settings.pod_ids, pull_policy=settings.pod_pull_policy)
    return Images(inference=settings.inference_image, distill=settings.distill_image, pods=pods)


async def _until(event: asyncio.Event) -> None:
    await event.wait()


async def _healthz(_request: web.Request) -> web.Response:
    """Alive is whose loop turns; what ends by itself ends the process, or starts anew."""
    return web.Response(text="ok\n")


async def _metrics(_request: web.Request) -> web.Response:
    return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})
