"""A Kubernetes that is up already, such as k3s in a container, as the one cluster behind the rehearsal's EKS."""
