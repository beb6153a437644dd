"""What runs beside Kubernetes: the image registry, DNS, Prometheus and Alertmanager.

The registry runs on the host. The others run in the network namespace of the cloud node, so they reach pods and
Services, and are reached from the host at that node's address.
"""

from __future__ import annotations

import sys
import urllib.error
import urllib.request
from pathlib import Path

import yaml

from lab import kubeconfig, network
from lab.errors import LabError
from lab.home import REPOSITORY, Home
from lab.pki import Authority
from lab.processes import Table

PROMETHEUS_URL = f"http://{network.CLOUD.address}:9090"
ALERTMANAGER_URL = f"http://{network.CLOUD.address}:9093"
DNS_ADDRESS = network.CLOUD.address

OBSERVER = "edgemodel-lab-observer"
CLUSTER_OBJECTS = f"""\
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {{name: {OBSERVER}}}
rules:
- apiGroups: [""]
  resources: [nodes, namespaces, services, endpoints, pods]
  verbs: [get, list, watch]
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [get, list, watch]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {{name: {OBSERVER}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {OBSERVER}}}
subjects:
- {{apiGroup: rbac.authorization.k8s.io, kind: User, name: {OBSERVER}}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {{name: edgemodel-lab-kube-proxy}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: "system:node-proxier"}}
subjects:
- {{apiGroup: rbac.authorization.k8s.io, kind: User, name: "system:kube-proxy"}}
---
apiVersion: v1
kind: Service
metadata: {{name: kube-dns, namespace: kube-system, labels: {{k8s-app: kube-dns}}}}
spec:
  clusterIP: {network.DNS_SERVICE}
  ports:
  - {{name: dns, port: 53, protocol: UDP}}
  - {{name: dns-tcp, port: 53, protocol: TCP}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: kube-dns-lab, namespace: kube-system, labels: {{kubernetes.io/service-name: kube-dns}}}}
addressType: IPv4
endpoints:
- {{addresses: ["{DNS_ADDRESS}"], conditions: {{ready: true}}}}
ports:
- {{name: dns, port: 53, protocol: UDP}}
- {{name: dns-tcp, port: 53, protocol: TCP}}
"""


def start_registry(home: Home, table: Table, authority: Authority) -> None:
    """Serve images at the host's address on the bridge, with TLS by the lab's authority."""
    pair = authority.issue("registry", hosts=[network.HOST_ADDRESS, "localhost"])
    config = {
        "version": 0.1,
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(home.registry)}, "delete": {"enabled": True}},
        "http": {
            "addr": network.REGISTRY,
            "tls": {"certificate": str(pair.certificate), "key": str(pair.key)},
        },
    }
    path = home.etc / "registry.yaml"
    path.write_text(yaml.safe_dump(config))
    table.start("registry", ["docker-registry", "serve", path], home.logs / "registry.log")


def start_in_cloud(home: Home, table: Table, authority: Authority, server: str) -> None:
    """Start DNS, Prometheus and Alertmanager in the cloud node's network namespace."""
    pair = authority.issue("observer", user=OBSERVER)
    access = kubeconfig.write(home.etc / "observer.kubeconfig", server, authority, pair)
    corefile = home.etc / "Corefile"
    corefile.write_text(corefile_text(access))
    _start(home, table, "coredns", [str(home.bin / "coredns"), "-conf", str(corefile)])
    targets = home.data / "pods.json"
    table.start(
        "discovery",
        ["env", f"PYTHONPATH={REPOSITORY}", sys.executable, "-m", "lab.discovery",
         server, authority.certificate, pair.certificate, pair.key, targets],
        home.logs / "discovery.log",
    )  # fmt: skip
    discovery: dict[str, object] = {"file_sd_configs": [{"files": [str(targets)], "refresh_interval": "5s"}]}
    config = home.etc / "prometheus.yaml"
    config.write_text(yaml.safe_dump(prometheus_config(home, discovery, f"{network.CLOUD.address}:9093")))
    _start(
        home, table, "prometheus",
        ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={home.data / 'prometheus'}",
         f"--web.listen-address={network.CLOUD.address}:9090", "--web.enable-lifecycle",
         "--storage.tsdb.retention.time=1d", "--rules.alert.resend-delay=5s", "--log.level=warn"],
    )  # fmt: skip
    home.alertmanager_config.write_text(yaml.safe_dump(alertmanager_config(None, "")))
    home.alertmanager_config.chmod(0o600)
    _start(
        home, table, "alertmanager",
        ["prometheus-alertmanager", f"--config.file={home.alertmanager_config}",
         f"--storage.path={home.data / 'alertmanager'}", f"--web.listen-address={network.CLOUD.address}:9093",
         "--cluster.listen-address=", "--log.level=info"],
    )  # fmt: skip


def _start(home: Home, table: Table, name: str, argv: list[str]) -> None:
    table.start(name, network.inside(network.CLOUD, argv), home.logs / f"{name}.log")


def corefile_text(access: Path) -> str:
    """CoreDNS for the cluster's own names; there is no outside to ask."""
    return f"""\
cluster.local:53 {{
    bind {DNS_ADDRESS}
    errors
    ready {DNS_ADDRESS}:8181
    cache 5
    kubernetes cluster.local {{
        kubeconfig {access}
        pods verified
        ttl 5
    }}
}}
"""


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
        _open(urllib.request.Request(f"{url}/-/reload", method="POST"))
    except urllib.error.HTTPError as error:
        said = error.read().decode(errors="replace").strip()
        raise LabError(f"{url} refused its new configuration: {said}") from error
    except OSError as error:
        raise LabError(f"{url} does not answer ({error}): is the lab up?") from error


def is_ready(url: str) -> bool:
    """Whether Prometheus or Alertmanager says that it is ready."""
    try:
        _open(f"{url}/-/ready")
    except OSError:
        return False
    return True


def dns_is_ready() -> bool:
    """Whether CoreDNS has read the cluster's Services."""
    try:
        _open(f"http://{DNS_ADDRESS}:8181/ready")
    except OSError:
        return False
    return True


def _open(request: urllib.request.Request | str) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=5):
        pass
