"""Tells Prometheus which pods there are: `python -m lab.discovery SERVER CA CERTIFICATE KEY TARGETS`.

Debian's Prometheus is built without Kubernetes service discovery, so this follows the pods and writes a file for
`file_sd_configs`, with the labels that Kubernetes service discovery would give.
"""

from __future__ import annotations

import json
import re
import ssl
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

WATCH_S = 300
RETRY_S = 1.0
META = "__meta_kubernetes_"

Pod = dict[str, Any]


def target(pod: Pod) -> dict[str, Any] | None:
    """The entry of one pod; None while it has no address."""
    metadata, status = pod["metadata"], pod.get("status", {})
    address = status.get("podIP")
    if not address:
        return None
    labels = {
        "namespace": metadata["namespace"],
        "pod_name": metadata["name"],
        "pod_ip": address,
        "pod_phase": status.get("phase", "Unknown"),
        "pod_node_name": pod["spec"].get("nodeName", ""),
        "pod_uid": metadata["uid"],
    }
    for kind in ("labels", "annotations"):
        for name, value in metadata.get(kind, {}).items():
            labels[f"pod_{kind.removesuffix('s')}_{re.sub('[^a-zA-Z0-9_]', '_', name)}"] = value
    return {"targets": [address], "labels": {META + name: value for name, value in labels.items()}}


def write(path: Path, pods: dict[str, Pod]) -> None:
    """Replace the file as a whole."""
    entries = [entry for _, pod in sorted(pods.items()) if (entry := target(pod))]
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(entries, indent=1))
    fresh.replace(path)


def follow(url: str, context: ssl.SSLContext) -> Iterator[dict[str, Pod]]:
    """All pods now, and again after each change, until the server ends the watch."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    with opener.open(url, timeout=10) as answer:
        listing = json.load(answer)
    pods = {pod["metadata"]["uid"]: pod for pod in listing["items"]}
    yield pods
    version = listing["metadata"]["resourceVersion"]
    query = f"watch=true&resourceVersion={version}&timeoutSeconds={WATCH_S}"
    with opener.open(f"{url}?{query}", timeout=WATCH_S + 10) as answer:
        for line in answer:
            event = json.loads(line)
            if event["type"] == "ERROR":
                return
            pod = event["object"]
            if event["type"] == "DELETED":
                pods.pop(pod["metadata"]["uid"], None)
            else:
                pods[pod["metadata"]["uid"]] = pod
            yield pods


def main() -> None:
    """Follow for ever; where the API server does not answer, the last known pods stay."""
    server, authority, certificate, key, path = sys.argv[1:]
    context = ssl.create_default_context(cafile=authority)
    context.load_cert_chain(certificate, key)
    while True:
        try:
            for pods in follow(f"{server}/api/v1/pods", context):
                write(Path(path), pods)
        except OSError as error:
            sys.stderr.write(f"{error}\n")
            time.sleep(RETRY_S)


if __name__ == "__main__":
    main()
