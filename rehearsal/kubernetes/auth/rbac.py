"""Authorization: RBAC objects, and EKS access policies as the cluster roles they stand for."""

from __future__ import annotations

from collections.abc import Iterator

from rehearsal.kubernetes.errors import ApiError, qualified
from rehearsal.kubernetes.http.requests import Call
from rehearsal.kubernetes.identity import Identity
from rehearsal.kubernetes.objects import Obj, dig, labels_of, name_of, namespace_of
from rehearsal.kubernetes.selectors import label_selector
from rehearsal.kubernetes.store import Store

_RBAC = "rbac.authorization.k8s.io"
# https://docs.aws.amazon.com/eks/latest/userguide/access-policy-permissions.html
_POLICY_ROLES = {
    "AmazonEKSClusterAdminPolicy": "cluster-admin",
    "AmazonEKSAdminPolicy": "admin",
    "AmazonEKSEditPolicy": "edit",
    "AmazonEKSViewPolicy": "view",
    "AmazonEKSAdminViewPolicy": "eks-admin-view",
    "AmazonEKSSecretReaderPolicy": "eks-secret-reader",
}


class Authorizer:
    """Decides from the roles and bindings in the store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def require(self, call: Call) -> None:
        """Let a call pass.

        :raises ApiError: 403 in the words of RBAC.
        """
        resource = call.resource
        attributes = Attributes(call.verb, resource.group, resource.plural, call.subresource, call.namespace, call.name)
        if not self.allowed(call.user, attributes):
            raise _forbidden(call.user, attributes)

    def allowed(self, user: Identity, wanted: Attributes) -> bool:
        """Whether any rule that applies to the user grants what is wanted."""
        if user.is_master:
            return True
        return any(_grants(rule, wanted) for rule in self._rules(user, wanted.namespace))

    def review(self, user: Identity, spec: Obj) -> Obj:
        """The status of an access review."""
        asked = spec.get("resourceAttributes")
        if asked is None:
            return {"allowed": user.is_master, "reason": "paths other than resources are open to all users"}
        attributes = Attributes(
            asked.get("verb", ""),
            asked.get("group", ""),
            asked.get("resource", ""),
            asked.get("subresource", ""),
            asked.get("namespace", ""),
            asked.get("name", ""),
        )
        return {"allowed": self.allowed(user, attributes)}

    def rules_for(self, user: Identity, namespace: str) -> Obj:
        """The status of a rules review: everything the user may do in a namespace."""
        rules = [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}] if user.is_master else []
        rules += [
            {key: rule[key] for key in ("verbs", "apiGroups", "resources", "resourceNames") if rule.get(key)}
            for rule in self._rules(user, namespace)
            if rule.get("resources")
        ]
        return {"resourceRules": rules, "nonResourceRules": [], "incomplete": False}

    def _rules(self, user: Identity, namespace: str) -> Iterator[Obj]:
        for policy, namespaces in user.policies:
            if not namespaces or namespace in namespaces:
                yield from self._role_rules("ClusterRole", _POLICY_ROLES.get(policy, ""), "")
        for binding in self._store.scan(f"clusterrolebindings.{_RBAC}"):
            if _binds(binding, user):
                yield from self._role_rules(binding["roleRef"]["kind"], binding["roleRef"]["name"], "")
        if namespace:
            for binding in self._store.objects(f"rolebindings.{_RBAC}", namespace):
                if _binds(binding, user):
                    yield from self._role_rules(binding["roleRef"]["kind"], binding["roleRef"]["name"], namespace)

    def _role_rules(self, kind: str, name: str, namespace: str) -> list[Obj]:
        if kind == "Role":
            role = self._store.get(f"roles.{_RBAC}", namespace, name)
        else:
            role = self._store.get(f"clusterroles.{_RBAC}", "", name)
        return list(role.get("rules") or []) if role else []


class Attributes:
    """What is wanted, as RBAC rules speak of it."""

    def __init__(self, verb: str, group: str, plural: str, subresource: str, namespace: str, name: str) -> None:
        self.verb = verb
        self.group = group
        self.plural = plural
        self.subresource = subresource
        self.namespace = namespace
        self.name = name

    @property
    def resource(self) -> str:
        """``pods/log`` for subresources."""
        return f"{self.plural}/{self.subresource}" if self.subresource else self.plural


def _grants(rule: Obj, wanted: Attributes) -> bool:
    verbs, groups, resources = rule.get("verbs") or [], rule.get("apiGroups") or [], rule.get("resources") or []
    names = rule.get("resourceNames") or []
    resource_fits = (
        "*" in resources
        or wanted.resource in resources
        or (bool(wanted.subresource) and f"*/{wanted.subresource}" in resources)
    )
    return (
        ("*" in verbs or wanted.verb in verbs)
        and ("*" in groups or wanted.group in groups)
        and resource_fits
        and (not names or wanted.name in names)
    )


def _binds(binding: Obj, user: Identity) -> bool:
    for subject in binding.get("subjects") or []:
        kind, name = subject.get("kind"), subject.get("name", "")
        if kind == "Group" and name in user.groups:
            return True
        if kind == "User" and name == user.name:
            return True
        if kind == "ServiceAccount":
            namespace = subject.get("namespace") or namespace_of(binding)
            if user.name == f"system:serviceaccount:{namespace}:{name}":
                return True
    return False


def _forbidden(user: Identity, wanted: Attributes) -> ApiError:
    where = f'in the namespace "{wanted.namespace}"' if wanted.namespace else "at the cluster scope"
    shown = f' "{wanted.name}"' if wanted.name else ""
    text = (
        f'{qualified(wanted.plural, wanted.group)}{shown} is forbidden: User "{user.name}" cannot {wanted.verb} '
        f'resource "{wanted.resource}" in API group "{wanted.group}" {where}'
    )
    details = {"name": wanted.name, "group": wanted.group, "kind": wanted.plural}
    return ApiError(403, "Forbidden", text, {key: value for key, value in details.items() if value})


def aggregate(store: Store, role: Obj) -> list[Obj]:
    """Rules of an aggregated cluster role: those of every role its selectors choose."""
    rules: list[Obj] = []
    for selector in dig(role, "aggregationRule", "clusterRoleSelectors", default=[]):
        matches = label_selector(selector)
        for other in store.objects(f"clusterroles.{_RBAC}"):
            if name_of(other) != name_of(role) and matches(labels_of(other)):
                rules += [rule for rule in other.get("rules") or [] if rule not in rules]
    return rules
