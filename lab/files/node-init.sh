#!/bin/bash
# Process 1 of a node. It ends with SIGKILL, like a machine whose power is cut; everything in the node ends with it.
# Arguments: NAME STATE_FOLDER LOG_FOLDER BIN_FOLDER CGROUP
set -eu
name=$1 state=$2 logs=$3 bin=$4 cgroup=$5
hostname "$name"
mount -t proc proc /proc
mount --make-rshared /
mount -t tmpfs -o mode=755 tmpfs /run
for folder in /var/lib/kubelet /var/log/pods /var/log/containers /var/lib/cni; do
    mkdir -p "$state/disk$folder"
    mount --bind "$state/disk$folder" "$folder"
done
nft flush ruleset

# Every v1 controller needs the group; cpuset's is unusable until it is told its processors.
for root in /sys/fs/cgroup/*/; do
    [ -e "$root/cgroup.procs" ] && [ ! -e "$root/cgroup.controllers" ] || continue
    path=$root
    for part in ${cgroup//\// }; do
        mkdir -p "$path/$part"
        for file in cpuset.cpus cpuset.mems; do
            if [ -e "$path/$part/$file" ]; then cat "$path/$file" >"$path/$part/$file"; fi
        done
        path=$path/$part
    done
done
# cgroup v2 (not tried on the machine this was written on): hand the controllers down.
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    path=/sys/fs/cgroup
    for part in ${cgroup//\// }; do
        for controller in cpuset cpu io memory pids; do
            echo "+$controller" >"$path/cgroup.subtree_control" 2>/dev/null || true
        done
        path=$path/$part
        mkdir -p "$path"
    done
fi

keep_running() {
    local log="$logs/$name-$1.log"
    shift
    while true; do
        "$@" >>"$log" 2>&1 || echo "exit status $?" >>"$log"
        sleep 1
    done
}
keep_running containerd containerd --config "$state/containerd.toml" &
while [ ! -S /run/containerd/containerd.sock ]; do sleep 0.1; done
ctr --namespace k8s.io images import "$state/pause.tar" >>"$logs/$name-containerd.log" 2>&1
keep_running kubelet "$bin/kubelet" --config="$state/kubelet.yaml" --kubeconfig="$state/kubeconfig" \
    --hostname-override="$name" --node-ip="$(cat "$state/address")" --root-dir=/var/lib/kubelet &
keep_running kube-proxy "$bin/kube-proxy" --config="$state/kube-proxy.yaml" --hostname-override="$name" &
wait
