"""Configurations of DNS, Prometheus and Alertmanager, and the pods that Prometheus is told of."""

import json
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address, ip_network
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import yaml

from lab import addons, discovery, monitoring, network
from lab.errors import LabError
from lab.home import Home

POD: dict[str, Any] = {
    "metadata": {"name": "p", "namespace": "n", "uid": "u", "annotations": {"prometheus.io/port": "8081"}},
    "spec": {"nodeName": "edge-1"},
    "status": {"podIP": "10.90.21.2", "phase": "Running"},
}


def test_a_pod_becomes_a_target_with_the_labels_of_kubernetes_discovery() -> None:
    entry = discovery.target(POD)
    assert entry is not None
    assert entry["targets"] == ["10.90.21.2"]
    assert entry["labels"]["__meta_kubernetes_pod_annotation_prometheus_io_port"] == "8081"
    assert entry["labels"]["__meta_kubernetes_pod_node_name"] == "edge-1"


def test_a_pod_without_an_address_is_no_target(tmp_path: Path) -> None:
    pending = {**POD, "status": {"phase": "Pending"}}
    discovery.write(tmp_path / "pods.json", {"a": pending, "b": POD})
    assert len(json.loads((tmp_path / "pods.json").read_text())) == 1


def test_alerts_go_nowhere_until_a_webhook_is_set() -> None:
    assert monitoring.alertmanager_config(None, "")["receivers"] == [{"name": "nobody"}]


def test_the_webhook_gets_the_token_and_hears_of_resolved_alerts() -> None:
    (receiver,) = monitoring.alertmanager_config("http://10.96.1.2/alerts", "sesame")["receivers"]  # type: ignore[misc]
    (webhook,) = receiver["webhook_configs"]
    assert webhook["send_resolved"] is True
    assert webhook["http_config"]["authorization"] == {"type": "Bearer", "credentials": "sesame"}


def test_a_refused_configuration_is_an_error_that_quotes_the_answer(tmp_path: Path) -> None:
    class Refuse(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(500)
            self.end_headers()
            self.wfile.write(b"yaml: line 3")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Refuse) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        home = Home(tmp_path)
        home.make_folders()
        with pytest.raises(LabError, match="refused its new configuration: yaml: line 3"):
            monitoring.set_alert_webhook(home, f"http://127.0.0.1:{server.server_port}", "http://x/", "secret")
        server.shutdown()
    assert home.alertmanager_config.stat().st_mode & 0o077 == 0, "the token is for us alone"


def test_a_silent_server_is_an_error_that_asks_whether_the_lab_is_up() -> None:
    with pytest.raises(LabError, match="is the lab up"):
        monitoring.reload(f"http://127.0.0.1:{network.free_port()}")


def test_cluster_objects_name_the_addresses_that_nodes_are_told() -> None:
    objects = {item["kind"]: item for item in yaml.safe_load_all(addons.CLUSTER_OBJECTS)}
    assert objects["Service"]["spec"]["clusterIP"] == network.DNS_SERVICE
    assert objects["EndpointSlice"]["endpoints"][0]["addresses"] == [network.CLOUD.address]


def test_addresses_lie_in_their_ranges_and_pod_ranges_are_apart() -> None:
    pods = [ip_network(node.pods) for node in network.NODES]
    assert all(ip_address(node.address) in ip_network(network.NODE_RANGE) for node in network.NODES)
    assert all(each.subnet_of(ip_network(network.POD_RANGE)) for each in pods)  # type: ignore[arg-type]
    assert len(set(pods)) == len(pods)
    assert ip_address(network.DNS_SERVICE) in ip_network(network.SERVICE_RANGE)


def test_host_ends_of_cables_have_names_that_the_kernel_takes() -> None:
    assert all(len(node.link) <= 15 for node in network.NODES)


def test_an_unknown_node_is_refused_with_the_choice() -> None:
    with pytest.raises(LabError, match="choose one of cloud-1, edge-1, edge-2"):
        network.node("edge-9")


def test_urllib_is_asked_to_ignore_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert urllib.request.getproxies()["http"]

    class Ready(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Ready) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        assert monitoring.is_ready(f"http://127.0.0.1:{server.server_port}")
        server.shutdown()
