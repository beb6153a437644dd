"""Everything that a worker is made of, wired together; no process, no sockets."""

import dataclasses
import functools
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from edgemodel import series
from edgemodel.wish import Wish
from edgemodel_inference.config.settings import Settings
from edgemodel_inference.disk.refusals import Refusal, Refusals
from edgemodel_inference.disk.store import Store
from edgemodel_inference.edge_cloud.cloud_wish import CloudWish
from edgemodel_inference.errors import SettingsError
from edgemodel_inference.healing.detector import FaultWatch
from edgemodel_inference.healing.healer import Healer
from edgemodel_inference.healing.journal import Journal, boot_id
from edgemodel_inference.healing.lookout import Lookout
from edgemodel_inference.healing.memory_guard import MemoryGuard, memory_limit
from edgemodel_inference.healing.webhook import Webhooks
from edgemodel_inference.model.engine import Engine
from edgemodel_inference.model.inference import Inference
from edgemodel_inference.model.models import Batching
from edgemodel_inference.observing import pushes
from edgemodel_inference.observing.metrics import Metrics, Readings
from edgemodel_inference.observing.pusher import Pusher
from edgemodel_inference.observing.pushes import Duty
from edgemodel_inference.observing.recorder import Recorder
from edgemodel_inference.observing.samples import HardSamples
from edgemodel_inference.observing.traffic import Traffic
from edgemodel_inference.web.access import read_tls, read_tokens
from edgemodel_inference.web.app import App, AsgiApp, Later
from edgemodel_inference.web.routes import Routes
from edgemodel_inference.wish.agent import Agent
from edgemodel_inference.wish.loader import Loader
from edgemodel_inference.wish.news import WishFile, WishOrigin, WishSource
from edgemodel_inference.wish.plan import candidates
from edgemodel_inference.wish.scrubber import Scrubber
from edgemodel_inference.wish.serving import Serving
from edgemodel_inference.wish.trust import Trust

if TYPE_CHECKING:
    from edgemodel_inference.rpc.server import RpcServer
    from edgemodel_registry import Client

HOUR = 3600.0
MOST_REFUSED = 20
"""Refused digests that metrics tell of: each is a series. The others stay refused, and are in the status."""
CRASH_REASON = "WorkerCrashed"


class Node:
    """The parts of one serving node."""

    def __init__(
        self,
        settings: Settings,
        restarts: Mapping[str, int],
        opening: Callable[[str | None], None],
        restart: Callable[[str], None],
    ) -> None:
        """`opening`: see `Loader`; `restart` asks for this process to be replaced."""
        state = settings.state
        client = functools.cache(lambda: _client(settings))
        self.engine = Engine(settings.batch_delay)
        self._restarts = restarts
        self._refusals = Refusals(state / "refused.json")
        self._journal = Journal(state / "journal.jsonl", boot_id(), time.monotonic())
        self._serving = Serving(self.engine, self._refusals, state / "serving.json")
        self._store = Store(state / "models", settings.cache_size, client)
        self._trust = Trust(self._store, self._serving, client)
        loader = Loader(
            self._store,
            self._trust,
            settings.device,
            settings.threads,
            settings.batch_size,
            opening,
            settings.trial_seconds,
        )
        source = WishSource(_wish_origin(settings), state / "wish.json")
        self._local = settings.local
        self._agent = Agent(settings.node, source, loader, self._store, self._serving, self._refusals)
        self._traffic = Traffic()
        self._watch = FaultWatch()
        self._samples = HardSamples()
        self._pusher = Pusher(settings.node, self._samples, state / "samples", client)
        scrubber = Scrubber(self._store, self._serving, self._agent.break_off_on_news)
        self._agent.on_pass(scrubber.step)
        self._agent.on_pass(self._trust.step)
        webhooks = Webhooks(settings.registry_ca)
        healer = Healer(
            settings.node, self._journal, self._serving, restart=restart, clear_cache=scrubber.ask, webhooks=webhooks
        )
        self._healer = healer
        guard = MemoryGuard(memory_limit(), restart)
        self._lookout = Lookout(self._traffic, self._watch, healer, guard, self._wish)
        self.metrics = Metrics(series.identity(settings.name, settings.namespace, settings.node), self._read)
        self._settings = settings
        self._tokens = read_tokens(settings, lambda: self.metrics.count("unauthorized"))
        self._inference = Inference(self.engine, Recorder(self._traffic, self.metrics, self._samples))
        self._cloud = CloudWish(self._inference, state, boot_id())
        self.app = self._build_app(settings.name, self._inference)
        self._pushes = pushes.duties(settings, self.metrics, self.app)
        self._connect()

    def _build_app(self, name: str, inference: Inference) -> App:
        return App(self.engine, Routes(name, inference), Later(lambda: _people(name, inference)), self._tokens)

    def restore(self) -> None:
        """Serve what the disk has.

        Raises:
            SettingsError: what a person wrote gives no wish, and there is none from before to go on with.
        """
        self._agent.restore()
        if self._local and self._agent.wish is None:
            raise SettingsError(self._agent.problem or "there is nothing to serve")

    def refuse_crasher(self, digest: str) -> None:
        """Refuse a digest under which workers kept dying."""
        last = self._serving.last()
        names = {a.digest: a.name for a in (last.active, last.backup) if a is not None}
        self._refusals.add(digest, names.get(digest, ""), CRASH_REASON, "workers kept dying under it")

    def rpc(self, listener: socket.socket) -> "RpcServer":
        """The same answers over gRPC."""
        from edgemodel_inference.rpc.server import RpcServer  # noqa: PLC0415 (an extra)
        from edgemodel_inference.rpc.service import Service  # noqa: PLC0415 (an extra)

        service = Service(self._settings.name, self.engine, self._inference)
        return RpcServer(service, self.app, self._tokens, listener, read_tls(self._settings, "h2"))

    def duties(self) -> dict[str, Duty]:
        """What a leading worker does besides answering, each on a thread of its own."""
        return {
            **self._pushes,
            "agent": self._agent.run,
            "lookout": self._lookout.run,
            "pusher": lambda stop: self._pusher.run(stop, self._wish),
        }

    def close(self) -> None:
        """Take no more work."""
        self.engine.close()

    def status(self) -> dict[str, object]:
        """For people: what serves and why, what is pending, what was refused and done."""
        active, backup, pending = self.engine.active, self.engine.backup, self._agent.pending
        doubt = self._trust.doubt
        return {
            "active": active.artifact.model_dump() if active else None,
            "backup": backup.artifact.model_dump() if backup else None,
            "reason": self._agent.reason,
            "revision": self._agent.revision,
            "wishProblem": self._agent.problem,
            "pending": None
            if pending is None
            else {
                "version": pending.artifact.name,
                "digest": pending.artifact.digest,
                "reason": pending.reason,
                "message": pending.message,
                "attempts": pending.attempts,
                "retryIn": max(0.0, round(pending.retry_at - time.monotonic(), 1)),
            },
            "trust": {"keys": self._trust.keys, "problem": None if doubt is None else doubt.message},
            "refused": [r.model_dump(by_alias=True) for r in self._refusals.all()],
            "faults": self._watch.all(),
            "ladders": dict(self._healer.stances),
            "gauges": self._lookout.gauges,
            "device": dataclasses.asdict(active.device) if active else None,
            "batching": _describe(active.batching) if active else None,
            "samples": {"kept": len(self._samples), "pushed": self._pusher.pushed, "problem": self._pusher.problem},
            "cloud": self._cloud.status(),
            "journal": [e.model_dump(by_alias=True, exclude_defaults=True) for e in self._journal.recent(20)],
        }

    def _connect(self) -> None:
        self._serving.on_switch(self._traffic.switched)
        self._serving.on_switch(lambda _: self._watch.forget())
        self._serving.on_switch(self._samples.switched)
        self._agent.on_wish(self._trust.follow)
        self._agent.on_wish(self._cloud.follow)
        self._agent.on_wish(lambda wish: self._samples.keep(wish.sampling.keep_hardest if wish.sampling else 0))

    def _wish(self) -> Wish | None:
        return self._agent.wish

    def _read(self) -> Readings:
        active, refusals, wish = self.engine.active, self._refusals.all(), self._wish()
        wanted = [artifact.digest for artifact in candidates(wish, self._settings.node)] if wish is not None else []
        return Readings(
            serving=(active.version, active.digest, self._agent.reason) if active else None,
            revision=self._agent.revision,
            faults=self._watch.all(),
            refused=[(r.digest, r.version, r.reason) for r in self._refusals.foremost(wanted, MOST_REFUSED)],
            pending=self._pending(refusals),
            heals=dict(self._journal.heals),
            heals_last_hour=self._journal.taken_since(time.monotonic() - HOUR),
            judged=self._journal.judged(),
            held=self._healer.held,
            gauges=self._lookout.gauges,
            answered=self._traffic.answered_since_switch,
            tally=self._traffic.tally(active.digest) if active else None,
            samples_pushed=self._pusher.pushed,
            restarts=self._restarts,
            cloud=self._cloud.readings(),
        )

    def _pending(self, refusals: Iterable[Refusal]) -> tuple[str, str, str] | None:
        """What is to be had still: being fetched, or refused for a reason that may pass. The fleet waits for both.

        Or the signature of what serves, for which nobody waits.
        """
        pending = self._agent.pending
        if pending is not None:
            return pending.artifact.name, pending.artifact.digest, pending.reason
        passing = next(((r.version, r.digest, r.reason) for r in refusals if not r.lasting), None)
        doubt = self._trust.doubt
        return passing or (None if doubt is None else (doubt.artifact.name, doubt.artifact.digest, doubt.reason))


def _describe(batching: Batching) -> dict[str, object]:
    microseconds = {str(rows): round(1e6 * seconds) for rows, seconds in batching.seconds.items()}
    return {"rows": batching.rows, "inlineRows": batching.inline, "microsecondsByRows": microseconds}


def _wish_origin(settings: Settings) -> WishOrigin:
    if not settings.local:
        return WishFile(settings.wish)
    from edgemodel_inference.wish.local_wish import LocalWish  # noqa: PLC0415 (reads YAML, which a pod never does)

    return LocalWish(settings, settings.state / "wish.json")


def _people(name: str, inference: Inference) -> AsgiApp:
    # FastAPI takes longer to import than everything else together, and more memory than a small model.
    from edgemodel_inference.web.people import build  # noqa: PLC0415 (see above)

    return build(name, inference)


def _client(settings: Settings) -> "Client":
    from edgemodel_registry import Client  # noqa: PLC0415 (a third of the start, and not needed to serve from disk)

    return Client(settings.registry_ca, settings.docker_config, bandwidth=settings.bandwidth)
