"""Real Kubernetes control planes behind the admin API of the rehearsal cloud.

etcd, kube-apiserver, kube-controller-manager and kube-scheduler run as plain processes on loopback, one set per
cluster. Nodes are simulated by kwok: the API, admission, controllers and scheduling are Kubernetes' own, containers do
not run.
"""
