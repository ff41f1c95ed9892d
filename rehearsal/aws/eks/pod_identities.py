"""Pod identity associations: which service account gets which role."""

from __future__ import annotations

import secrets
import uuid
from typing import Any

from rehearsal.aws.eks import iam
from rehearsal.aws.eks.state import Cluster, Data, Eks
from rehearsal.aws.errors import in_use, invalid_parameter, not_found
from rehearsal.aws.protocol import Call, page

_SUMMARY = ("clusterName", "namespace", "serviceAccount", "associationArn", "associationId", "ownerArn")
_CHANGEABLE = ("roleArn", "disableSessionTags", "targetRoleArn", "policy")


def create_pod_identity_association(eks: Eks, call: Call) -> dict[str, Any]:
    """Give a service account a role."""
    association = _create(eks, eks.cluster(call), call.params, call.region)
    association["tags"] = dict(call.get("tags", {}))
    return {"association": association}


def describe_pod_identity_association(eks: Eks, call: Call) -> dict[str, Any]:
    """One association."""
    return {"association": _association(eks.cluster(call), call)}


def list_pod_identity_associations(eks: Eks, call: Call) -> dict[str, Any]:
    """Associations of a cluster, optionally of one namespace or service account."""
    found = [
        {key: association[key] for key in _SUMMARY if key in association}
        for association in eks.cluster(call).pod_identities.values()
        if all(association[key] == call.get(key, association[key]) for key in ("namespace", "serviceAccount"))
    ]
    shown, more = page(found, call)
    return {"associations": shown, **more}


def update_pod_identity_association(eks: Eks, call: Call) -> dict[str, Any]:
    """Change the role of an association; namespace and service account are fixed."""
    cluster = eks.cluster(call)
    association = _association(cluster, call)
    changes = {key: call.params[key] for key in _CHANGEABLE if call.params.get(key) is not None}
    if "roleArn" in changes:
        iam.require_role(changes["roleArn"], iam.POD_SERVICE, call.region)
    association.update(changes, modifiedAt=eks.clock.now())
    return {"association": association}


def delete_pod_identity_association(eks: Eks, call: Call) -> dict[str, Any]:
    """Take the role away."""
    cluster = eks.cluster(call)
    association = _association(cluster, call)
    cluster.forget(association)
    del cluster.pod_identities[association["associationId"]]
    return {"association": association}


def of_addon(eks: Eks, cluster: Cluster, addon: str, namespace: str, wanted: list[Data]) -> list[str]:
    """Create the associations an add-on was given; returns their ARNs."""
    owner = cluster.arn("addon", addon)
    made = []
    for each in wanted:
        association = _create(eks, cluster, {**each, "namespace": namespace}, cluster.region)
        association["ownerArn"] = owner
        made.append(association["associationArn"])
    return made


def replace_of_addon(eks: Eks, cluster: Cluster, addon: Data, wanted: list[Data]) -> list[str]:
    """Make an add-on's associations exactly ``wanted``; an empty list deletes them."""
    delete_of_addon(cluster, addon)
    return of_addon(eks, cluster, addon["addonName"], addon["namespaceConfig"]["namespace"], wanted)


def delete_of_addon(cluster: Cluster, addon: Data) -> None:
    """Delete the associations an add-on owns."""
    for association_id, association in list(cluster.pod_identities.items()):
        if association["associationArn"] in addon["podIdentityAssociations"]:
            del cluster.pod_identities[association_id]


def _create(eks: Eks, cluster: Cluster, wanted: Any, region: str) -> Data:
    namespace, account = wanted["namespace"], wanted["serviceAccount"]
    for other in cluster.pod_identities.values():
        if (other["namespace"], other["serviceAccount"]) == (namespace, account):
            raise in_use(
                f"Association already exists: {other['associationId']} for service account {namespace}/{account}",
                clusterName=cluster.name,
            )
    iam.require_role(wanted["roleArn"], iam.POD_SERVICE, region)
    association_id = f"a-{secrets.token_hex(9)[:17]}"
    now = eks.clock.now()
    association: Data = {
        "clusterName": cluster.name,
        "namespace": namespace,
        "serviceAccount": account,
        "roleArn": wanted["roleArn"],
        "associationArn": cluster.arn("podidentityassociation", association_id),
        "associationId": association_id,
        "tags": {},
        "createdAt": now,
        "modifiedAt": now,
    }
    association.update({key: wanted[key] for key in _CHANGEABLE if wanted.get(key) is not None})
    if association.get("targetRoleArn"):
        association["externalId"] = str(uuid.uuid4())
    if association.get("policy") and not association.get("disableSessionTags"):
        raise invalid_parameter("policy needs disableSessionTags=true", clusterName=cluster.name)
    cluster.pod_identities[association_id] = association
    return association


def _association(cluster: Cluster, call: Call) -> Data:
    found = cluster.pod_identities.get(call["associationId"])
    if found is None:
        raise not_found(
            f"Association not found: {call['associationId']} in cluster {cluster.name}", clusterName=cluster.name
        )
    return found
