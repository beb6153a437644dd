"""The real Prometheus and Alertmanager on loopback: one alert that fires from the start, delivered to the operator."""

import json
import re
import shutil
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import yaml

from lab import processes
from lab.home import REPOSITORY
from lab.monitoring import alertmanager_config, is_ready
from lab.network import free_port
from tests.apiserver.operator_process import TOKEN, FakePod, wait_for

Body = dict[str, Any]


@contextmanager
def alerting(folder: Path, labels: Body, webhook_port: int, pods: list[FakePod]) -> Iterator[str]:
    """Prometheus scrapes `pods` and fires an alert with `labels`; Alertmanager tells the operator. Yields its URL."""
    for program in ("prometheus", "prometheus-alertmanager"):
        assert shutil.which(program), f"{program} is not installed: python -m lab build names the packages"
    alertmanager, prometheus = free_port(), free_port()
    rule = {"alert": "LowConfidence", "expr": "vector(1)", "labels": labels}
    (folder / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "test", "rules": [rule]}]}))
    targets = [f"{pod.address}:8081" for pod in pods]
    found = {"targets": targets, "labels": {"namespace": labels["namespace"], "node": "of-the-target"}}
    config = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(folder / "rules.yaml")],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{alertmanager}"]}]}]},
        "scrape_configs": [{**documented_scrape(), "relabel_configs": [], "static_configs": [found]}],
    }
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(config))
    told = alertmanager_config(f"http://127.0.0.1:{webhook_port}/alerts", TOKEN)
    (folder / "alertmanager.yaml").write_text(yaml.safe_dump(told))
    commands = {
        f"http://127.0.0.1:{alertmanager}": [
            "prometheus-alertmanager",
            f"--config.file={folder / 'alertmanager.yaml'}",
            f"--storage.path={folder / 'alertmanager'}",
            f"--web.listen-address=127.0.0.1:{alertmanager}",
            "--cluster.listen-address=",
        ],
        f"http://127.0.0.1:{prometheus}": [
            "prometheus",
            f"--config.file={folder / 'prometheus.yaml'}",
            f"--storage.tsdb.path={folder / 'prometheus'}",
            f"--web.listen-address=127.0.0.1:{prometheus}",
            "--rules.alert.resend-delay=2s",
        ],
    }
    with ExitStack() as stack:
        for url, command in commands.items():
            process = processes.start(["setpriv", "--pdeathsig=KILL", *command], folder / f"{command[0]}.log")
            stack.callback(process.stop, grace_s=1)
            wait_for(f"{command[0]} is ready", lambda u=url: is_ready(u))  # type: ignore[misc]  # a default binds
        yield f"http://127.0.0.1:{prometheus}"


def documented_scrape() -> Body:
    """The scrape that docs/install.md tells people to set up."""
    text = (REPOSITORY / "docs" / "install.md").read_text()
    (block,) = re.findall(r"```yaml\n(scrape_configs:.*?)```", text, re.DOTALL)
    (scrape,) = yaml.safe_load(block)["scrape_configs"]
    return dict(scrape)


def ask(prometheus: str, query: str) -> list[Body]:
    """The series that Prometheus has for `query` now."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"{prometheus}/api/v1/query?{urlencode({'query': query})}", timeout=5) as answer:
        found: list[Body] = json.load(answer)["data"]["result"]
    return found


def firing(prometheus: str) -> int:
    """How many alerts Prometheus says are firing."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"{prometheus}/api/v1/alerts", timeout=5) as answer:
        alerts = json.load(answer)["data"]["alerts"]
    return sum(alert["state"] == "firing" for alert in alerts)
