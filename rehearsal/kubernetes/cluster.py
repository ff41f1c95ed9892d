"""One emulated control plane: its data, its API, its controllers."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import secrets
from collections.abc import Callable

from rehearsal.kubernetes import bootstrap
from rehearsal.kubernetes.addons import AddOns
from rehearsal.kubernetes.admission.chain import Admission
from rehearsal.kubernetes.auth.authentication import Access, Authenticator
from rehearsal.kubernetes.auth.rbac import Authorizer
from rehearsal.kubernetes.auth.tokens import ServiceAccountTokens
from rehearsal.kubernetes.certificates import ServingCertificate, issue
from rehearsal.kubernetes.controllers.manager import Manager
from rehearsal.kubernetes.faults.model import Faults
from rehearsal.kubernetes.http.app import Application
from rehearsal.kubernetes.kubelet.logs import Logs
from rehearsal.kubernetes.nodegroups import NodeGroups
from rehearsal.kubernetes.objects import Obj
from rehearsal.kubernetes.outside import Outside
from rehearsal.kubernetes.resources import Catalog
from rehearsal.kubernetes.rest.registry import Registry
from rehearsal.kubernetes.schema.nodes import builtin_definitions
from rehearsal.kubernetes.settings import Settings
from rehearsal.kubernetes.store import Event, Store

_CRDS = "customresourcedefinitions.apiextensions.k8s.io"


class Cluster:
    """The parts of one cluster, wired.

    :ivar id: ``<region>.<name>``.
    :param saved: a former :meth:`dump`.
    :raises ValueError: when there is no published schema for the version.
    """

    def __init__(self, cluster_id: str, spec: Obj, port: int, settings: Settings, saved: Obj | None = None) -> None:
        saved = saved or {}
        self.id = cluster_id
        self.name: str = spec["name"]
        self.region: str = spec["region"]
        self.version: str = spec["version"]
        self.port = port
        self.settings = settings
        self.store = Store()
        self.catalog = Catalog(builtin_definitions(self.version))
        self.logs = Logs()
        self.access = Access(spec.get("creatorArn", ""), spec.get("bootstrapCreatorAdmin", True))
        self.certificate = ServingCertificate(**saved["certificate"]) if saved else issue(self.name)
        self.admin_token: str = saved.get("adminToken") or secrets.token_urlsafe(32)
        identity = hashlib.sha256(cluster_id.encode()).hexdigest()[:32].upper()
        issuer = f"https://oidc.eks.{self.region}.amazonaws.com/id/{identity}"
        self.tokens = ServiceAccountTokens(self.store, issuer, saved.get("tokenKey"))
        self.authenticator = Authenticator(
            self.name, self.access, self.tokens, self.admin_token, settings.sts_endpoint, settings.secrets
        )
        self.authorizer = Authorizer(self.store)
        self.registry = Registry(self.catalog, self.store, Admission(self.store))
        self.application = Application(self)
        self.store.subscribe(self._serve_custom)
        self.faults = Faults()
        self.node_groups = NodeGroups(self)
        self.add_ons = AddOns(self)
        self.manager = Manager(self)
        self.outside = Outside(self)
        if saved:
            self._load(saved)
        else:
            bootstrap.populate(self)

    @property
    def endpoint(self) -> str:
        """The URL of the API server."""
        return f"https://{self.settings.host}:{self.port}"

    def info(self) -> Obj:
        """What the admin API says of the cluster."""
        authority = base64.b64encode(self.certificate.authority.encode()).decode()
        return {
            "id": self.id,
            "name": self.name,
            "region": self.region,
            "version": self.version,
            "endpoint": self.endpoint,
            "certificateAuthority": authority,
            "oidcIssuer": self.tokens.issuer,
        }

    def version_info(self) -> Obj:
        """``/version`` in the form of EKS."""
        major, minor = self.version.split(".")
        return {
            "major": major,
            "minor": minor,
            "gitVersion": f"v{self.version}.0-eks-rehearsal",
            "gitCommit": "0" * 40,
            "gitTreeState": "clean",
            "buildDate": "1970-01-01T00:00:00Z",
            "goVersion": "none",
            "compiler": "rehearsal",
            "platform": "linux/amd64",
        }

    def upgrade(self, version: str) -> None:
        """Serve another version from now on.

        :raises ValueError: when there is no published schema for it.
        """
        if version == self.version:
            return
        self.catalog.use(builtin_definitions(version))
        self.version = version
        self.application.openapi.forget()

    def _serve_custom(self, event: Event) -> None:
        if event.resource != _CRDS:
            return
        crd = event.obj
        if event.type == "DELETED":
            self.catalog.remove_custom(crd["spec"]["group"], crd["spec"]["names"]["plural"])
        elif event.old is None or event.old["spec"] != crd["spec"]:
            self.catalog.add_custom(crd)
        else:
            return
        self.application.openapi.forget()

    def dump(self) -> Obj:
        """Everything needed to carry on after a restart."""
        return {
            "id": self.id,
            "spec": {
                "name": self.name,
                "region": self.region,
                "version": self.version,
                "creatorArn": self.access.creator,
                "bootstrapCreatorAdmin": self.access.bootstrap_admin,
            },
            "port": self.port,
            "certificate": vars(self.certificate),
            "adminToken": self.admin_token,
            "tokenKey": self.tokens.key_pem(),
            "access": self.access.entries,
            "nodeGroups": self.node_groups.dump(),
            "addOns": self.add_ons.dump(),
            "logs": self.logs.dump(),
            "revision": self.store.revision,
            "objects": self.store.dump(),
        }

    def _load(self, saved: Obj) -> None:
        self.access.entries = saved["access"]
        self.store.load(saved["revision"], saved["objects"])
        for crd in self.store.objects(_CRDS):
            self.catalog.add_custom(crd)
        self.logs.load(saved["logs"])
        self.node_groups.load(saved["nodeGroups"])
        self.add_ons.load(saved["addOns"])

    def kubeconfig(self, token: str, namespace: str = "default") -> Obj:
        """A kubeconfig for this cluster with a bearer token."""
        authority = base64.b64encode(self.certificate.authority.encode()).decode()
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {"name": self.name, "cluster": {"server": self.endpoint, "certificate-authority-data": authority}}
            ],
            "users": [{"name": "user", "user": {"token": token}}],
            "contexts": [
                {"name": self.name, "context": {"cluster": self.name, "user": "user", "namespace": namespace}}
            ],
            "current-context": self.name,
        }

    async def changed(self, resources: tuple[str, ...]) -> None:
        """Wait until any object of these resources changes."""
        happened = asyncio.Event()

        def notice(event: Event) -> None:
            if event.resource in resources:
                happened.set()

        unsubscribe = self.store.subscribe(notice)
        try:
            await happened.wait()
        finally:
            unsubscribe()

    def subscribe(self, listener: Callable[[Event], None]) -> None:
        """Tell ``listener`` of every change."""
        self.store.subscribe(listener)
