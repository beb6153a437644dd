"""Prometheus and Alertmanager, whoever runs them: their flags and configurations, and talking to them."""

from __future__ import annotations

import urllib.error
import urllib.request

import yaml

from lab.errors import LabError
from lab.home import Home


def write_configurations(home: Home, discovery: dict[str, object], alertmanager: str) -> None:
    """Write what the flags below name: Prometheus finds pods by `discovery`, alerts go nowhere yet."""
    prometheus = yaml.safe_dump(prometheus_config(home, discovery, alertmanager))
    (home.etc / "prometheus.yaml").write_text(prometheus)
    home.alertmanager_config.write_text(yaml.safe_dump(alertmanager_config(None, "")))
    home.alertmanager_config.chmod(0o600)


def prometheus_flags(home: Home, address: str) -> list[str]:
    """How Prometheus is started, whoever runs it."""
    return [
        f"--config.file={home.etc / 'prometheus.yaml'}",
        f"--storage.tsdb.path={home.data / 'prometheus'}",
        f"--web.listen-address={address}:9090",
        "--web.enable-lifecycle",
        "--storage.tsdb.retention.time=1d",
        "--rules.alert.resend-delay=5s",
        "--log.level=warn",
    ]


def alertmanager_flags(home: Home, address: str) -> list[str]:
    """How Alertmanager is started, whoever runs it."""
    return [
        f"--config.file={home.alertmanager_config}",
        f"--storage.path={home.data / 'alertmanager'}",
        f"--web.listen-address={address}:9093",
        "--cluster.listen-address=",
        "--log.level=info",
    ]


def prometheus_config(home: Home, discovery: dict[str, object], alertmanager: str) -> dict[str, object]:
    """Scrape every running pod that asks for it by annotation.

    A pod's own labels win over the target's (honor_labels), so series that name their namespace, node or EdgeModel
    keep it, and series that do not get the pod's.
    """
    meta = "__meta_kubernetes_pod"
    annotation = f"{meta}_annotation_prometheus_io"
    relabel = [
        {"source_labels": [f"{annotation}_scrape"], "regex": "true", "action": "keep"},
        {"source_labels": [f"{meta}_phase"], "regex": "Running", "action": "keep"},
        {
            "source_labels": [f"{meta}_ip", f"{annotation}_port"],
            "separator": ":", "regex": "(.+:[0-9]+)", "target_label": "__address__",
        },
        {"source_labels": [f"{annotation}_path"], "regex": "(.+)", "target_label": "__metrics_path__"},
        {"source_labels": ["__meta_kubernetes_namespace"], "target_label": "namespace"},
        {"source_labels": [f"{meta}_name"], "target_label": "pod"},
        {"source_labels": [f"{meta}_node_name"], "target_label": "node"},
    ]  # fmt: skip
    return {
        "global": {"scrape_interval": "2s", "scrape_timeout": "2s", "evaluation_interval": "2s"},
        "rule_files": [f"{home.prometheus_rules}/*.yaml"],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]},
        "scrape_configs": [
            {
                "job_name": "pods",
                "honor_labels": True,
                **discovery,
                "relabel_configs": relabel,
            }
        ],
    }


def alertmanager_config(url: str | None, bearer_token: str) -> dict[str, object]:
    """Send every alert to a webhook, or nowhere."""
    receiver: dict[str, object] = {"name": "nobody"}
    if url is not None:
        access = {"authorization": {"type": "Bearer", "credentials": bearer_token}}
        receiver = {"name": "webhook", "webhook_configs": [{"url": url, "send_resolved": True, "http_config": access}]}
    route = {
        "receiver": receiver["name"],
        "group_by": ["alertname", "namespace", "edgemodel"],
        "group_wait": "1s",
        "group_interval": "5s",
        "repeat_interval": "1m",
    }
    return {"route": route, "receivers": [receiver]}


def set_alert_webhook(home: Home, alertmanager: str, url: str | None, bearer_token: str) -> None:
    """Have the Alertmanager at URL `alertmanager` send every alert to `url` (None: nowhere) from now on."""
    fresh = home.alertmanager_config.with_suffix(".new")
    fresh.touch(mode=0o600)
    fresh.write_text(yaml.safe_dump(alertmanager_config(url, bearer_token)))
    fresh.replace(home.alertmanager_config)
    reload(alertmanager)


def reload(url: str) -> None:
    """Make Prometheus or Alertmanager read its files again. Raises LabError where it refuses them."""
    try:
        ask(urllib.request.Request(f"{url}/-/reload", method="POST"))
    except urllib.error.HTTPError as error:
        said = error.read().decode(errors="replace").strip()
        raise LabError(f"{url} refused its new configuration: {said}") from error
    except OSError as error:
        raise LabError(f"{url} does not answer ({error}): is the lab up?") from error


def is_ready(url: str) -> bool:
    """Whether Prometheus or Alertmanager says that it is ready."""
    try:
        ask(f"{url}/-/ready")
    except OSError:
        return False
    return True


def ask(request: urllib.request.Request | str) -> None:
    """Open a URL without any proxy. Raises OSError where it does not answer, or with an error."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=5):
        pass
