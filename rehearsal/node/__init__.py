"""Real nodes behind the rehearsal's real control plane: containerd, kubelet and kube-proxy, and the network between.

A node is a set of Linux namespaces whose first process is `machine.sh`. When that process ends, by whatever signal,
the kernel ends everything in it and takes its mounts, interfaces and packet filters away.
"""
