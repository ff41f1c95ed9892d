"""An emulated Kubernetes control plane, one API server per EKS cluster.

It accepts the official clients and ``kubectl``, and refuses what a real kube-apiserver refuses. The
published OpenAPI definitions drive decoding, validation, server-side apply and patches; tables under
``data/`` drive everything that differs from kind to kind; controllers, a scheduler and a simulated
kubelet give objects the life they would have on EKS.

Layers, each importing only those above it::

    objects, quantity, errors, selectors     plain functions on JSON values
    schema, apply                            typed view of objects; field ownership; patches
    resources, store                         what is served; objects, revisions and events
    admission, rest                          the semantics of create, update, patch, delete
    auth, http                               identities, RBAC; the wire
    scheduler, kubelet, controllers          the life of objects
    cluster, admin, server                   one control plane; the API the AWS side calls; the process
"""
