"""Everything there is in the cloud and in the cluster, by names that are the same in every life.

It is written against AWS's own listings and the cluster's own store, and knows nothing of what Slipway lists itself:
what Slipway forgets to look for shows here.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3

from tests.rehearsal.kill.knife import plain

Row = dict[str, Any]

# One line for each listing: service, operation, member of the answer, and what names an entry.
_LISTINGS: tuple[tuple[str, str, str, str], ...] = (
    ("ec2", "describe_vpcs", "Vpcs", "CidrBlock"),
    ("ec2", "describe_subnets", "Subnets", "CidrBlock"),
    ("ec2", "describe_route_tables", "RouteTables", "Tags"),
    ("ec2", "describe_internet_gateways", "InternetGateways", "Tags"),
    ("ec2", "describe_nat_gateways", "NatGateways", "State"),
    ("ec2", "describe_addresses", "Addresses", "Tags"),
    ("ec2", "describe_network_interfaces", "NetworkInterfaces", "Description"),
    ("ec2", "describe_security_groups", "SecurityGroups", "GroupName"),
    ("ec2", "describe_network_acls", "NetworkAcls", "IsDefault"),
    ("ec2", "describe_vpc_endpoints", "VpcEndpoints", "State"),
    ("ec2", "describe_flow_logs", "FlowLogs", "FlowLogStatus"),
    ("ec2", "describe_launch_templates", "LaunchTemplates", "LaunchTemplateName"),
    ("ec2", "describe_volumes", "Volumes", "Tags"),
    ("autoscaling", "describe_auto_scaling_groups", "AutoScalingGroups", "DesiredCapacity"),
    ("elbv2", "describe_load_balancers", "LoadBalancers", "LoadBalancerName"),
    ("elbv2", "describe_target_groups", "TargetGroups", "TargetGroupName"),
    ("iam", "list_roles", "Roles", "RoleName"),
    ("iam", "list_instance_profiles", "InstanceProfiles", "InstanceProfileName"),
    ("iam", "list_open_id_connect_providers", "OpenIDConnectProviderList", "Arn"),
    ("kms", "list_aliases", "Aliases", "AliasName"),
    ("logs", "describe_log_groups", "logGroups", "logGroupName"),
    ("secretsmanager", "list_secrets", "SecretList", "Name"),
    ("cloudtrail", "describe_trails", "trailList", "Name"),
    ("sns", "list_topics", "Topics", "TopicArn"),
    ("sqs", "list_queues", "QueueUrls", ""),
    ("events", "list_rules", "Rules", "Name"),
)
# The store's tables that controllers fill with names of chance, or that only say what happened.
_PASSING = {"events", "events.k8s.io/events", "coordination.k8s.io/leases", "leases"}
_MANY = re.compile(r"(^|/|\.)(pods|replicasets|endpointslices|nodes|persistentvolumes|volumeattachments|csinodes)$")
_TAGS = ("aws:cloudformation:logical-id", "Name", "CSIVolumeName", "kubernetes.io/created-for/pvc/name")


def account() -> Counter[str]:
    """What is in the account's region, by kind and name."""
    found: Counter[str] = Counter()
    for service, operation, member, naming in _LISTINGS:
        client = boto3.client(service)
        for entry in _all(client, operation, member):
            found[f"{service} {member}: {_name(entry, naming)}"] += 1
    for more in (_instances, _stacks, _keys, _buckets, _budgets, _clusters):
        found.update(more())
    return found


def _all(client: Any, operation: str, member: str) -> Iterator[Any]:
    if client.can_paginate(operation):
        for page in client.get_paginator(operation).paginate():
            yield from page.get(member) or []
        return
    yield from getattr(client, operation)().get(member) or []


def _name(entry: Any, naming: str) -> str:
    value = entry if not naming else entry.get(naming)
    if naming == "Tags":
        tags = {tag["Key"]: tag["Value"] for tag in entry.get("Tags") or []}
        value = next((tags[key] for key in _TAGS if key in tags), "untagged")
    return plain(re.sub(r"-[A-Z0-9]{8,}$", "-*", str(value)))


def _instances() -> Iterator[str]:
    for reservation in _all(boto3.client("ec2"), "describe_instances", "Reservations"):
        for one in reservation["Instances"]:
            if one["State"]["Name"] != "terminated":
                yield f"ec2 instance {one['InstanceType']} {one['State']['Name']}"


def _stacks() -> Iterator[str]:
    client = boto3.client("cloudformation")
    for stack in _all(client, "describe_stacks", "Stacks"):
        yield f"stack {stack['StackName']} {stack['StackStatus'].replace('UPDATE', 'CREATE')}"
        for one in _all_change_sets(client, stack["StackName"]):
            yield f"change set of {stack['StackName']} {one['Status']} {one.get('ExecutionStatus')}"


def _all_change_sets(client: Any, stack: str) -> list[Row]:
    return [
        one
        for one in client.list_change_sets(StackName=stack)["Summaries"]
        if one.get("ExecutionStatus") not in {"EXECUTE_COMPLETE", "OBSOLETE"}
    ]


def _keys() -> Iterator[str]:
    client = boto3.client("kms")
    for key in _all(client, "list_keys", "Keys"):
        described = client.describe_key(KeyId=key["KeyId"])["KeyMetadata"]
        if described.get("KeyManager") != "AWS":
            yield f"kms key {plain(described.get('Description', ''))} {described['KeyState']}"


def _buckets() -> Iterator[str]:
    client = boto3.client("s3")
    for bucket in client.list_buckets()["Buckets"]:
        yield f"bucket {plain(bucket['Name'])}"
        for item in _all_objects(client, bucket["Name"]):
            yield f"object {plain(item)}"


def _all_objects(client: Any, bucket: str) -> list[str]:
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    # Names of reports and results hold the run's id and times.
    return [
        re.sub(r"manual__[^/]*|\d[\dT:.Z+_-]{7,}", "*", item["Key"])
        for page in pages
        for item in page.get("Contents") or []
    ]


def _budgets() -> Iterator[str]:
    for budget in boto3.client("budgets").describe_budgets(AccountId="123456789012").get("Budgets") or []:
        yield f"budget {budget['BudgetName']}"


def _clusters() -> Iterator[str]:
    client = boto3.client("eks")
    for name in client.list_clusters()["clusters"]:
        cluster = client.describe_cluster(name=name)["cluster"]
        yield f"cluster {name} {cluster['status']} {cluster['version']}"
        for group in client.list_nodegroups(clusterName=name)["nodegroups"]:
            one = client.describe_nodegroup(clusterName=name, nodegroupName=group)["nodegroup"]
            yield f"node group {group} {one['status']} {one['version']} {one['scalingConfig']}"
        for addon in client.list_addons(clusterName=name)["addons"]:
            one = client.describe_addon(clusterName=name, addonName=addon)["addon"]
            yield f"add-on {addon} {one['status']} {one['addonVersion']}"
        for entry in client.list_access_entries(clusterName=name)["accessEntries"]:
            yield f"access entry {plain(entry)}"
        for one in client.list_pod_identity_associations(clusterName=name)["associations"]:
            yield f"pod identity {one['namespace']}/{one['serviceAccount']}"
        # Updates are history: the same work twice would show as one more.
        kinds = []
        for update in client.list_updates(name=name)["updateIds"]:
            kinds.append(client.describe_update(name=name, updateId=update)["update"]["type"])
        yield from (f"update of {name}: {kind}" for kind in kinds)


def cluster(state: Path) -> Counter[str]:
    """What is in the cluster's store: by name and content what somebody applied, by number what controllers make."""
    found: Counter[str] = Counter()
    for path in sorted((state / "kubernetes" / "kubernetes").glob("*.json")):
        for resource, objects in json.loads(path.read_text())["cluster"]["objects"].items():
            if resource in _PASSING or resource.endswith("/events"):
                continue
            for one in objects:
                metadata = one["metadata"]
                if _MANY.search(resource) or metadata.get("ownerReferences"):
                    found[f"{resource}"] += 1
                    continue
                name = f"{metadata.get('namespace', '')}/{metadata['name']}"
                found[f"{resource} {plain(name)} {_digest(one)}"] += 1
    return found


def _digest(one: Row) -> str:
    """Of what was applied: not of what the server and controllers add, nor of what is secret and made by chance."""
    content: Row = {key: value for key, value in one.items() if key not in {"metadata", "status"}}
    content["labels"] = one["metadata"].get("labels")
    if "release.json" in (content.get("data") or {}):
        record = json.loads(content["data"]["release.json"])
        content = {"number": record["number"], "state": record["state"], "objects": record["objects"]}
    if one.get("kind") == "Secret" or one["metadata"]["name"] == "kube-root-ca.crt":
        content["data"] = sorted(content.get("data") or {})
    text = json.dumps(content, sort_keys=True)
    text = re.sub(r'"(clusterIPs?|uid|nodeName|nodePort|volumeName)": ("[^"]*"|\[[^\]]*\]|\d+)', "", text)
    return hashlib.sha256(plain(text).encode()).hexdigest()[:8]


def differences(wanted: Counter[str], found: Counter[str]) -> list[str]:
    """What one has and the other has not, with numbers."""
    lines = [f"missing {count} x {name}" for name, count in sorted((wanted - found).items())]
    return lines + [f"too many {count} x {name}" for name, count in sorted((found - wanted).items())]
