"""Kubeconfig files with a client certificate."""

from __future__ import annotations

from pathlib import Path

import yaml

from lab.pki import Authority, Pair


def write(path: Path, server: str, authority: Authority, client: Pair) -> Path:
    """Write the kubeconfig of one client of the API server at `server`."""
    name = "edgemodel-lab"
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": name, "cluster": {"server": server, "certificate-authority": str(authority.certificate)}}
        ],
        "users": [
            {"name": name, "user": {"client-certificate": str(client.certificate), "client-key": str(client.key)}}
        ],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(document))
    return path
