#!/bin/sh
# Process 1 of a node, in namespaces of its own (mount, net, PID, UTS): machine.sh FOLDER NAME
#
# When one of its programs ends the node ends: an EC2 instance without its kubelet is of no use either. All that is
# mounted or set here is seen in these namespaces only and goes with them.
set -eu
folder=$1 name=$2

hostname "$name"
mount --make-rshared /
mkdir -p "$folder/lib/containerd" "$folder/log"
mount --bind "$folder/lib" /var/lib
mount --bind "$folder/log" /var/log
mount -t tmpfs -o mode=0755,nosuid,nodev tmpfs /run
mkdir -p /run/lock
# A kubelet tunes the machine it takes for its own; this one is shared, so it tunes copies.
for setting in vm/overcommit_memory vm/panic_on_oom kernel/panic kernel/panic_on_oops \
    kernel/keys/root_maxkeys kernel/keys/root_maxbytes; do
    mkdir -p "/run/settings/${setting%/*}"
    cat "/proc/sys/$setting" >"/run/settings/$setting"
    mount --bind "/run/settings/$setting" "/proc/sys/$setting"
done

# Where its pods are counted and limited; removed from outside when it has ended.
for hierarchy in /sys/fs/cgroup /sys/fs/cgroup/*/; do
    [ ! -e "$hierarchy/cgroup.procs" ] || mkdir -p "$hierarchy/slipway/$name"
    # A whole platform runs below: it weighs as much as sixteen of the machine's sessions, where one is the default.
    [ ! -e "$hierarchy/slipway/cpu.shares" ] || echo 16384 >"$hierarchy/slipway/cpu.shares"
    [ ! -e "$hierarchy/slipway/cpu.weight" ] || echo 1600 >"$hierarchy/slipway/cpu.weight"
done

# The interface is moved in from outside.
waited=0
until [ -e "$folder/network" ]; do
    waited=$((waited + 1))
    [ "$waited" -lt 300 ] || { echo "no network after 30 s" >&2; exit 1; }
    sleep 0.1
done
ip link set lo up
for setting in net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0; do
    sysctl -q -w "$setting"
done

run() { # run NAME COMMAND...: start a program of the node; its end is the node's
    program=$1
    shift
    "$@" >>"/var/log/$program.log" 2>&1 &
    eval "$(echo "$program" | tr - _)=$!"
}

persist() { # persist COMMAND...: start it again when it ends, four times, as systemd would
    for _ in 1 2 3 4 5; do
        "$@" || sleep 1
    done
    return 1
}

trap 'exit 0' TERM INT
run containerd containerd --config "$folder/etc/containerd.toml"
waited=0
until ctr --address /run/containerd/containerd.sock version >/dev/null 2>&1; do
    waited=$((waited + 1))
    [ "$waited" -lt 300 ] || { tail -n 5 /var/log/containerd.log >&2; exit 1; }
    sleep 0.2
done
# containerd answers before its part for Kubernetes does, and a kubelet that meets it then gives up.
run kubelet persist "$KUBELET" --config="$folder/etc/kubelet.json" --kubeconfig="$folder/etc/kubelet.kubeconfig" \
    --hostname-override="$name" --node-ip="$ADDRESS" --root-dir=/var/lib/kubelet --cert-dir=/var/lib/kubelet/pki --v=1
run kube-proxy "$KUBE_PROXY" --config="$folder/etc/kube-proxy.json" --v=1

# dash has no `wait -n`; as process 1 it also buries what containers leave behind, between two looks.
while kill -0 "$containerd" 2>/dev/null && kill -0 "$kubelet" 2>/dev/null && kill -0 "$kube_proxy" 2>/dev/null; do
    sleep 1 &
    wait $!
done
for program in containerd kubelet kube-proxy; do
    echo "-- $program" >&2
    tail -n 5 "/var/log/$program.log" >&2
done
exit 1
