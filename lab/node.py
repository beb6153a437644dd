"""One node: a network, mount, process and host name space with its own containerd, kubelet and kube-proxy.

Killing the namespace's process 1 is a power cut; the folder `disk` is what survives it.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
from contextlib import suppress
from functools import partial
from pathlib import Path

import yaml

from lab import kubeconfig, network, processes, sandbox, shell
from lab.errors import LabError
from lab.home import Home
from lab.network import Node
from lab.packages import CNI_PLUGINS
from lab.pki import Authority

CGROUP = "edgemodel-lab"
CGROUP_ROOT = Path("/sys/fs/cgroup")
HOST_FOLDERS = ("/var/lib/kubelet", "/var/log/pods", "/var/log/containers", "/var/lib/cni")  # empty mount points
INIT = Path(__file__).resolve().parent / "files" / "node-init.sh"


def state_folder(home: Home, node: Node) -> Path:
    """Where a node keeps its configuration, and under `disk` and `containerd` what survives a power cut."""
    return home.data / "nodes" / node.name


def prepare(home: Home, node: Node, authority: Authority, server: str) -> None:
    """Write everything that a node reads when it starts."""
    folder = state_folder(home, node)
    folder.mkdir(parents=True, exist_ok=True)
    for path in HOST_FOLDERS:
        Path(path).mkdir(parents=True, exist_ok=True)
    pair = authority.issue(
        f"node-{node.name}", user=f"system:node:{node.name}", groups=["system:nodes"], hosts=[node.name, node.address]
    )
    proxy = authority.issue("kube-proxy", user="system:kube-proxy")
    kubeconfig.write(folder / "kubeconfig", server, authority, pair)
    kubeconfig.write(folder / "kube-proxy.kubeconfig", server, authority, proxy)
    (folder / "address").write_text(node.address)
    (folder / "resolv.conf").write_text("")
    (folder / "kubelet.yaml").write_text(yaml.safe_dump(kubelet_config(folder, node, authority)))
    (folder / "kube-proxy.yaml").write_text(yaml.safe_dump(kube_proxy_config(folder)))
    (folder / "containerd.toml").write_text(containerd_config(folder))
    _write_registry(folder, authority)
    _write_cni(folder, node)
    sandbox.write(home.bin / "pause", folder / "pause.tar")


def kubelet_config(folder: Path, node: Node, authority: Authority) -> dict[str, object]:
    """The kubelet's configuration: works on cgroup v1 and without the right to lower OOM scores."""
    pki = authority.folder
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(authority.certificate)},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(pki / f"node-{node.name}.crt"),
        "tlsPrivateKeyFile": str(pki / f"node-{node.name}.key"),
        "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{CGROUP}/{node.name}",
        "failCgroupV1": False,
        "failSwapOn": False,
        "enforceNodeAllocatable": [],
        "oomScoreAdj": 0,
        "clusterDNS": [network.DNS_SERVICE],
        "clusterDomain": "cluster.local",
        "resolvConf": str(folder / "resolv.conf"),
        "volumePluginDir": "/var/lib/kubelet/volume-plugins",
        "nodeStatusUpdateFrequency": "2s",
        "nodeLeaseDurationSeconds": 8,
        "serializeImagePulls": False,
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "evictionHard": {
            "memory.available": "50Mi", "nodefs.available": "1%", "nodefs.inodesFree": "1%", "imagefs.available": "1%",
        },
    }  # fmt: skip


def kube_proxy_config(folder: Path) -> dict[str, object]:
    """kube-proxy in nftables mode, leaving the kernel's global limits alone."""
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "clusterCIDR": network.POD_RANGE,
        "detectLocalMode": "ClusterCIDR",
        "clientConnection": {"kubeconfig": str(folder / "kube-proxy.kubeconfig")},
        "nftables": {"minSyncPeriod": "100ms"},
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
        "healthzBindAddress": "127.0.0.1:10256",
        "metricsBindAddress": "127.0.0.1:10249",
    }


def containerd_config(folder: Path) -> str:
    """Containerd with its own root, and the sandbox image that is imported at start."""
    cri = 'plugins."io.containerd.grpc.v1.cri"'
    return f"""\
version = 2
root = "{folder}/containerd"
state = "/run/containerd"

[grpc]
address = "/run/containerd/containerd.sock"

[{cri}]
sandbox_image = "{sandbox.IMAGE}"
restrict_oom_score_adj = true

[{cri}.cni]
bin_dir = "{CNI_PLUGINS}"
conf_dir = "{folder}/cni"

[{cri}.registry]
config_path = "{folder}/registries"

[{cri}.containerd]
snapshotter = "overlayfs"
default_runtime_name = "runc"

[{cri}.containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
"""


def _write_registry(folder: Path, authority: Authority) -> None:
    hosts = folder / "registries" / network.REGISTRY / "hosts.toml"
    hosts.parent.mkdir(parents=True, exist_ok=True)
    url = f"https://{network.REGISTRY}"
    hosts.write_text(f'server = "{url}"\n[host."{url}"]\nca = "{authority.certificate}"\n')


def _write_cni(folder: Path, node: Node) -> None:
    """Routed cables instead of a bridge: answers of a pod on the same node come back through the Service rules."""
    ipam = {"type": "host-local", "ranges": [[{"subnet": node.pods}]], "routes": [{"dst": "0.0.0.0/0"}]}
    ports = {"type": "portmap", "capabilities": {"portMappings": True}}
    plugins = [{"type": "ptp", "ipMasq": False, "ipam": ipam}, ports]
    target = folder / "cni" / "10-edgemodel-lab.conflist"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps({"cniVersion": "0.4.0", "name": "edgemodel-lab", "plugins": plugins}))


def start_command(home: Home, node: Node) -> list[str]:
    """The command line that makes the namespaces and runs the node's process 1 in them."""
    arguments = [node.name, state_folder(home, node), home.logs, home.bin, f"{CGROUP}/{node.name}"]
    return network.inside(
        node,
        ["unshare", "--mount", "--pid", "--uts", "--ipc", "--fork", "--kill-child", "--propagation=private",
         "bash", str(INIT), *(str(argument) for argument in arguments)],
    )  # fmt: skip


def first_process(table: processes.Table, node: Node) -> int:
    """Process 1 of the node, by its id on the host. Raises LabError where the node is off."""
    outer = table.read().get(node.name)
    found = processes.children(outer.pid) if outer and outer.alive() else []
    if not found:
        raise LabError(f"{node.name} is off: `python -m lab power-on {node.name}` or `python -m lab up`")
    return found[0]


def power_off(table: processes.Table, node: Node) -> None:
    """Cut the power: every process of the node ends at once, its disk stays as it is."""
    if (outer := table.read().get(node.name)) and outer.alive():
        for pid in processes.children(outer.pid):
            processes.observe(pid).signal(signal.SIGKILL)
    table.stop(node.name)
    remove_cgroups(f"{CGROUP}/{node.name}")


def power_on(home: Home, table: processes.Table, node: Node) -> None:
    """Start the node's process 1."""
    table.start(node.name, start_command(home, node), home.logs / f"{node.name}-init.log")


def remove_cgroups(group: str) -> None:
    """Remove a control group and all below it in every hierarchy; processes still in it are ended.

    What is in these groups was started by this lab: nobody else knows their name.
    """
    for root in [CGROUP_ROOT, *CGROUP_ROOT.iterdir()]:
        top = root / group
        if not top.is_dir():
            continue
        folders = sorted((Path(path) for path, _, _ in os.walk(top)), key=lambda path: len(path.parts), reverse=True)
        for folder in folders:
            for pid in (folder / "cgroup.procs").read_text().split():
                with suppress(LabError):  # it ended meanwhile
                    processes.observe(int(pid)).signal(signal.SIGKILL)
            shell.wait_for(f"removal of {folder}", partial(_removed, folder), 10, interval_s=0.02)


def _removed(folder: Path) -> bool:
    try:
        folder.rmdir()
    except OSError:
        return not folder.exists()
    return True


def remove_folders(home: Home) -> None:
    """Forget all nodes' disks.

    The mount points on the host stay: removing one would unmount it in every other mount namespace that uses it.
    """
    shutil.rmtree(home.data / "nodes", ignore_errors=True)
