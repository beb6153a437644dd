"""What runs beside Kubernetes: the image registry, DNS, Prometheus and Alertmanager.

The registry runs on the host. The others run in the network namespace of the cloud node, so they reach pods and
Services, and are reached from the host at that node's address.
"""

from __future__ import annotations

import sys
from pathlib import Path

import yaml

from lab import kubeconfig, monitoring, network
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
    monitoring.write_configurations(home, discovery, f"{network.CLOUD.address}:9093")
    _start(home, table, "prometheus", ["prometheus", *monitoring.prometheus_flags(home, network.CLOUD.address)])
    _start(
        home,
        table,
        "alertmanager",
        ["prometheus-alertmanager", *monitoring.alertmanager_flags(home, network.CLOUD.address)],
    )


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


def dns_is_ready() -> bool:
    """Whether CoreDNS has read the cluster's Services."""
    try:
        monitoring.ask(f"http://{DNS_ADDRESS}:8181/ready")
    except OSError:
        return False
    return True
