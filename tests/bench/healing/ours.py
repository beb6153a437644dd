"""Our server as one runs it without a cluster, with one rule and one strategy: leave the version for its backup."""

import contextlib
import json
import urllib.request
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from lab.shell import wait_for
from tests.bench.healing.caller import QUESTIONS, Caller
from tests.bench.healing.scene import GOOD, Versions, model, picture
from tests.bench.serving import networks
from tests.bench.serving.contenders import OURS, free_port, running

READY_LIMIT = 120.0
FAULT = "low-confidence"
THRESHOLD = 0.6

HEALING = f"""
healing:
  strategies:
    - {{faults: [{FAULT}], actions: [{{type: SwitchModel}}]}}
  settle: 5
  minSamples: 20
"""
_RULE = f'name: {FAULT}, metric: model_confidence_mean, operator: "<", threshold: {THRESHOLD}'
DOCUMENTED = f"""
interval: 2
rules:
  - {{{_RULE}, window: 3, triggerCount: 2}}
{HEALING}"""
"""The rule of docs/serve.md."""
TUNED = DOCUMENTED.replace("interval: 2", "interval: 0.05")
DEFAULTS = f"""
rules:
  - {{{_RULE}}}
healing:
  strategies:
    - {{faults: [{FAULT}], actions: [{{type: SwitchModel}}]}}
"""
"""Nothing said that need not be: an interval of 10 s, a window of 5, three hits."""


class Contender(Protocol):
    """One way to heal."""

    name: str
    trials: int
    """In a round, whose mean counts."""

    @property
    def period(self) -> float:
        """Seconds of its clock; a fault begins at a random moment of it."""

    @property
    def caller(self) -> Caller: ...

    def make_ready(self) -> None:
        """Wait until all is well and whoever is to notice looks."""

    def begin_fault(self) -> None: ...

    def recover(self) -> None:
        """Begin to make all well again."""


@dataclass
class Server:
    """A running edgemodel-serve, its versions and its caller."""

    versions: Versions
    caller: Caller
    admin: int

    def status(self) -> dict[str, Any]:
        """What its worker says; empty while there is none."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.admin}/status", timeout=5) as answer:
                found: dict[str, Any] = json.load(answer)["worker"] or {}
        except OSError:
            return {}
        return found

    def await_version(self, name: str) -> None:
        """Wait until this version answers."""
        wait_for(name, lambda: (self.status().get("active") or {}).get("name") == name, READY_LIMIT)


def serve(stack: contextlib.ExitStack, folder: Path, config: str) -> Server:
    """Start it with this ``serve.yaml``, the good version, which is the backup as well, and a slow caller."""
    versions, admin = Versions(folder), free_port()
    (folder / "serve.yaml").write_text(f"backup: {folder / GOOD}\n{config}")
    options = ["--config", str(folder / "serve.yaml"), "--admin-port", str(admin)]
    contender = replace(OURS, question=QUESTIONS[False], command=lambda at, port: [*OURS.command(at, port), *options])
    expected = networks.run(model(brittle=False), picture(strange=False))
    up = stack.enter_context(running(contender, folder, expected))
    caller = Caller("127.0.0.1", up.port)
    stack.enter_context(caller.calling())
    return Server(versions, caller, admin)


@dataclass
class Ours:
    """The version that serves begins to fail, as callers begin to ask about strange pictures."""

    name: str
    period: float
    server: Server
    trials: int = 1
    _version: str = field(default="", init=False)

    def __post_init__(self) -> None:
        self.recover()

    @property
    def caller(self) -> Caller:
        return self.server.caller

    def make_ready(self) -> None:
        self._await_well(self._version)

    def begin_fault(self) -> None:
        self.caller.strange = True

    def recover(self) -> None:
        self.caller.strange = False
        self._version = self.server.versions.another_brittle()
        self.server.versions.point(self._version)

    def _await_well(self, version: str) -> None:
        self.server.await_version(version)
        wait_for(
            "a verdict that all is well", lambda: self.server.status().get("faults") == {FAULT: False}, READY_LIMIT
        )


@dataclass
class Arriving(Ours):
    """Callers ask about strange pictures all the time, and a version arrives that fails on them."""

    def make_ready(self) -> None:
        self._await_well(GOOD)

    def begin_fault(self) -> None:
        self.server.versions.point(self._version)

    def recover(self) -> None:
        self.caller.strange = True
        self._version = self.server.versions.another_brittle()
