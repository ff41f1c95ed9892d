"""The rehearsal cloud: local AWS and Kubernetes APIs good enough to rehearse a platform's whole life."""
