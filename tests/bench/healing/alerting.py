"""The peers that people build by hand: a real Prometheus, a real Alertmanager, and a program that its webhook tells.

The rule is ours: the same gauge of the same server, which here heals nothing by itself, below the same threshold, with
``for: 0s``, so that one bad sample suffices where ours wants several. The program points the link back to the version
that stands by. Both are started anew after each fault, for Alertmanager makes a second alert of the same group wait
`group_interval`.
"""

import contextlib
import http.server
import itertools
import json
import random
import subprocess
import threading
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from edgemodel.series import CONFIDENCE_MEAN
from lab.monitoring import is_ready
from lab.shell import wait_for
from tests.bench.healing.caller import Caller
from tests.bench.healing.ours import READY_LIMIT, THRESHOLD, Server
from tests.bench.healing.scene import GOOD
from tests.bench.serving.contenders import free_port

PROGRAMS = ("prometheus", "prometheus-alertmanager")
SILENT = "interval: 0.1\n"
"""The server's own ``serve.yaml``: its gauge is never older than a tenth of a second."""


@dataclass(frozen=True)
class Pace:
    """How often and how soon; as Prometheus writes durations."""

    scrape: int
    group_wait: int
    group_interval: int = 300


@dataclass
class Alerting:
    """Prometheus and Alertmanager with one `pace`."""

    name: str
    server: Server
    pace: Pace
    folder: Path
    trials: int = 1
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1), init=False)
    _programs: contextlib.ExitStack = field(default_factory=contextlib.ExitStack, init=False)
    _prometheus: str = field(default="", init=False)
    _brittle: str = field(default="", init=False)

    def __post_init__(self) -> None:
        self._brittle = self.server.versions.another_brittle()
        self.recover()

    @property
    def period(self) -> float:
        return self.pace.scrape

    @property
    def caller(self) -> Caller:
        return self.server.caller

    def make_ready(self) -> None:
        self.server.await_version(self._brittle)
        wait_for("Prometheus' verdict that all is well", self._has_judged, READY_LIMIT)

    def begin_fault(self) -> None:
        self.caller.strange = True

    def recover(self) -> None:
        self.close()
        self.caller.strange = False
        self.server.versions.point(self._brittle)
        self.server.await_version(self._brittle)
        self._start(self.folder / f"{self.pace.scrape}s-{next(self._numbers)}")

    def close(self) -> None:
        """Stop both programs."""
        self._programs.close()

    def _start(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        hook = self._programs.enter_context(_receiver(lambda: self.server.versions.point(GOOD)))
        prometheus, alertmanager = (f"127.0.0.1:{free_port()}" for _ in range(2))
        (folder / "rules.yaml").write_text(yaml.safe_dump(_rules()))
        (folder / "prometheus.yaml").write_text(yaml.safe_dump(_prometheus(self.pace, self.server.admin, alertmanager)))
        (folder / "alertmanager.yaml").write_text(yaml.safe_dump(_alertmanager(self.pace, hook)))
        common = ("--log.level=warn",)
        self._run(
            folder,
            "prometheus-alertmanager",
            f"--config.file={folder / 'alertmanager.yaml'}",
            f"--storage.path={folder / 'alerts'}",
            f"--web.listen-address={alertmanager}",
            "--cluster.listen-address=",
            *common,
        )
        wait_for("Alertmanager", lambda: is_ready(f"http://{alertmanager}"), READY_LIMIT)
        self._run(
            folder,
            "prometheus",
            f"--config.file={folder / 'prometheus.yaml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={prometheus}",
            *common,
        )
        self._prometheus = f"http://{prometheus}"
        wait_for("Prometheus", lambda: is_ready(self._prometheus), READY_LIMIT)

    def _run(self, folder: Path, *command: str) -> None:
        log = self._programs.enter_context((folder / f"{command[0]}.log").open("wb"))
        process = subprocess.Popen(command, stdout=log, stderr=log)
        self._programs.callback(process.wait)
        self._programs.callback(process.kill)

    def _has_judged(self) -> bool:
        """Whether the gauge was scraped and the rule looked at it."""
        query = f"{self._prometheus}/api/v1/query?query={CONFIDENCE_MEAN}"
        (group,) = _get(f"{self._prometheus}/api/v1/rules")["groups"]
        return bool(_get(query)["result"]) and all(
            rule["health"] == "ok" and rule["state"] == "inactive" for rule in group["rules"]
        )


def _rules() -> dict[str, Any]:
    # When a group is looked at within an interval follows from its name: another name is another moment.
    alert = {"alert": "LowConfidence", "expr": f"{CONFIDENCE_MEAN} < {THRESHOLD}", "for": "0s"}
    return {"groups": [{"name": f"bench-{random.getrandbits(32)}", "rules": [alert]}]}


def _prometheus(pace: Pace, admin: int, alertmanager: str) -> dict[str, Any]:
    every = f"{pace.scrape}s"
    # The same for a target, by its labels.
    target = {"targets": [f"127.0.0.1:{admin}"], "labels": {"trial": str(random.getrandbits(32))}}
    return {
        "global": {"scrape_interval": every, "evaluation_interval": every, "scrape_timeout": "1s"},
        "rule_files": ["rules.yaml"],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]},
        "scrape_configs": [{"job_name": "bench", "static_configs": [target]}],
    }


def _alertmanager(pace: Pace, hook: str) -> dict[str, Any]:
    route = {
        "receiver": "hook",
        "group_by": ["alertname"],
        "group_wait": f"{pace.group_wait}s",
        "group_interval": f"{pace.group_interval}s",
    }
    return {"route": route, "receivers": [{"name": "hook", "webhook_configs": [{"url": hook}]}]}


def _get(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(url, timeout=5) as answer:
        found: dict[str, Any] = json.load(answer)["data"]
    return found


@contextlib.contextmanager
def _receiver(roll_back: Callable[[], None]) -> Iterator[str]:
    """Listens on the URL that is given, and rolls back when an alert fires."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if message["status"] == "firing":
                roll_back()
            self.send_response(http.HTTPStatus.OK)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the name is the base class's)
            """The table says it."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
