"""Which actions on which resources a call means.

Most actions are called like the call, and AWS's service authorization reference says which kinds of resources each
takes; ``data/`` has the exceptions and how parameters name resources. What AWS checks on top (passing a role, tagging
what is made, using a key) is written out in :func:`_dependents`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml

from rehearsal.aws.permissions.evaluate import Request

_DATA = Path(__file__).parent / "data"
# Names in credential scopes that are no prefixes of actions.
PREFIXES = {
    "monitoring": "cloudwatch",
    "tagging": "tag",
    "elbv2": "elasticloadbalancing",
    "elb": "elasticloadbalancing",
}
_EC2_IDS = {
    "vpc": "vpc", "subnet": "subnet", "sg": "security-group", "vol": "volume", "snap": "snapshot", "i": "instance",
    "eni": "network-interface", "nat": "natgateway", "igw": "internet-gateway", "rtb": "route-table",
    "vpce": "vpc-endpoint", "fl": "vpc-flow-log", "lt": "launch-template", "eipalloc": "elastic-ip", "ami": "image",
}  # fmt: skip
_EC2_ID = re.compile(rf"({'|'.join(_EC2_IDS)})-[0-9a-f]{{8,17}}")
_EC2_MADE = {
    "AllocateAddress": "elastic-ip", "CreateFlowLogs": "vpc-flow-log", "CreateInternetGateway": "internet-gateway",
    "CreateLaunchTemplate": "launch-template", "CreateNatGateway": "natgateway", "CreateRouteTable": "route-table",
    "CreateSecurityGroup": "security-group", "CreateSnapshot": "snapshot", "CreateSubnet": "subnet",
    "CreateVpc": "vpc", "CreateVpcEndpoint": "vpc-endpoint", "CreateVolume": "volume",
}  # fmt: skip
# Facts that conditions may ask for, by the parameter that carries them.
_FACTS = {"PermissionsBoundary": "iam:permissionsboundary", "PolicyArn": "iam:policyarn"}
_PLACE = re.compile(r"\{([A-Za-z|]+)\}")


@cache
def reference() -> Mapping[str, Any]:
    """AWS's service authorization reference: actions by service, their resource types, and the types' ARNs."""
    spec = find_spec("cfnlint")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("judging calls needs cfn-lint for AWS's list of actions: pip install cfn-lint")
    folder = Path(spec.submodule_search_locations[0]) / "data" / "AdditionalSpecs"
    found: Mapping[str, Any] = json.loads((folder / "Policies.json").read_text(encoding="utf-8"))
    return found


@cache
def _data(name: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = yaml.safe_load((_DATA / f"{name}.yaml").read_text(encoding="utf-8"))
    return found


def requests_of(
    service: str, operation: str, region: str, account: str, params: Mapping[str, Any]
) -> Iterator[Request]:
    """Everything that has to be allowed for a call.

    :param service: as in a credential scope or in botocore.
    """
    prefix = PREFIXES.get(service, service)
    tags = _tags(params)
    facts = {
        "aws:requestedregion": (region,),
        **{f"aws:requesttag/{key.lower()}": (value,) for key, value in tags.items()},
        **({"aws:tagkeys": tuple(sorted(tags))} if tags else {}),
        **{key: (str(params[name]),) for name, key in _FACTS.items() if params.get(name)},
    }
    place = {"region": region, "account": account}
    for name in _data("actions").get(prefix, {}).get(operation, [operation]):
        for resource in resources_of(prefix, name, operation, place, params):
            yield Request(f"{prefix}:{name}", resource, facts)
    for one in _dependents(prefix, operation, place, params, tags):
        yield replace(one, facts={**facts, **one.facts})


def resources_of(
    prefix: str, action: str, operation: str, place: Mapping[str, str], params: Mapping[str, Any]
) -> list[str]:
    """ARNs of what an action is done to; ``*`` where it has no resource, or the call names none."""
    service = reference().get(prefix, {})
    types = {kind.lower() for kind in service.get("Actions", {}).get(action.lower(), {}).get("Resources", [])}
    if not types:
        return ["*"]
    if prefix == "ec2":
        return _ec2(types, operation, place, params) or ["*"]
    formats = [
        re.compile(_PLACES.sub("[^:]*", text))
        for kind, spec in service.get("Resources", {}).items()
        if kind.lower() in types
        for text in spec["ARNFormats"]
    ]
    named = {value for value in _texts(params) if any(one.fullmatch(value) for one in formats)}
    for kind, template in _data("resources").get(prefix, {}).items():
        if kind in types:
            named.update(_filled(template, place, params))
    return sorted(named) or ["*"]


_PLACES = re.compile(r"\$\{[A-Za-z]+\}")


def _ec2(types: set[str], operation: str, place: Mapping[str, str], params: Mapping[str, Any]) -> list[str]:
    found = {
        _ec2_arn(_EC2_IDS[match[1]], value, place)
        for value in _texts(params)
        if (match := _EC2_ID.fullmatch(value)) and _EC2_IDS[match[1]] in types
    }
    made = _EC2_MADE.get(operation)
    if made in types:
        found.add(_ec2_arn(made, "new", place))
    return sorted(found)


def _ec2_arn(kind: str, identifier: str, place: Mapping[str, str]) -> str:
    account = "" if kind in ("snapshot", "image") else place["account"]
    return f"arn:aws:ec2:{place['region']}:{account}:{kind}/{identifier}"


def _filled(template: str, place: Mapping[str, str], params: Mapping[str, Any]) -> Iterator[str]:
    """A template with parameters in it; one for each item of a list, none when a parameter is missing."""
    chosen: dict[str, list[str]] = {}
    # Budgets has its name within the budget.
    nested = {key: value for one in params.values() if isinstance(one, Mapping) for key, value in one.items()}
    for names in _PLACE.findall(template):
        known = [{**nested, **params, **place}.get(name) for name in names.split("|")]
        value = next((one for one in known if one), None)
        # An ARN is the resource already.
        values = [str(one) for one in (value if isinstance(value, list) else [value]) if one]
        if not values or (len(template) > len(names) + 2 and names != "principalArn" and values[0].startswith("arn:")):
            return
        chosen[names] = values
    count = max((len(values) for values in chosen.values()), default=1)
    for index in range(count):
        yield _PLACE.sub(lambda match, index=index: _item(chosen[match[1]], index), template)  # type: ignore[misc]


def _item(values: list[str], index: int) -> str:
    return values[min(index, len(values) - 1)]


def _texts(node: Any) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    elif isinstance(node, Mapping):
        for value in node.values():
            yield from _texts(value)
    elif isinstance(node, list | tuple):
        for value in node:
            yield from _texts(value)


def _tags(params: Mapping[str, Any]) -> dict[str, str]:
    """Tags that a call asks for, in all the shapes in which services take them."""
    found: dict[str, str] = {}
    specifications = params.get("TagSpecifications") or []
    for given in [params.get("Tags"), params.get("tags"), *(one.get("Tags") for one in specifications)]:
        if isinstance(given, Mapping):
            found.update({str(key): str(value) for key, value in given.items()})
        for pair in given if isinstance(given, list) else []:
            if isinstance(pair, Mapping):
                found[str(pair.get("Key", pair.get("TagKey")))] = str(pair.get("Value", pair.get("TagValue", "")))
    return found


# What makes something: the action that tags it, and the resource as a template.
_TAGGING = {
    "eks:CreateCluster": ("eks:TagResource", "arn:aws:eks:{region}:{account}:cluster/{name}"),
    "eks:CreateNodegroup": (
        "eks:TagResource", "arn:aws:eks:{region}:{account}:nodegroup/{clusterName}/{nodegroupName}/x",
    ),
    "eks:CreateAddon": ("eks:TagResource", "arn:aws:eks:{region}:{account}:addon/{clusterName}/{addonName}/x"),
    "eks:CreateAccessEntry": ("eks:TagResource", "arn:aws:eks:{region}:{account}:access-entry/{clusterName}/x"),
    "eks:CreatePodIdentityAssociation": (
        "eks:TagResource", "arn:aws:eks:{region}:{account}:podidentityassociation/{clusterName}/x",
    ),
    "secretsmanager:CreateSecret": (
        "secretsmanager:TagResource", "arn:aws:secretsmanager:{region}:{account}:secret:{Name}-AbCdEf",
    ),
    "cloudformation:CreateChangeSet": (
        "cloudformation:TagResource", "arn:aws:cloudformation:{region}:{account}:stack/{StackName}/x",
    ),
    "kms:CreateKey": ("kms:TagResource", "arn:aws:kms:{region}:{account}:key/new"),
    "iam:CreateRole": ("iam:TagRole", "arn:aws:iam::{account}:role/{RoleName}"),
    "logs:CreateLogGroup": ("logs:TagResource", "arn:aws:logs:{region}:{account}:log-group:{logGroupName}"),
}  # fmt: skip
# Parameters that hand a role to a service.
_PASSING = {
    "eks:CreateCluster": ("roleArn", "eks.amazonaws.com"),
    "eks:CreateNodegroup": ("nodeRole", "eks.amazonaws.com"),
    "eks:CreatePodIdentityAssociation": ("roleArn", "pods.eks.amazonaws.com"),
    "eks:UpdatePodIdentityAssociation": ("roleArn", "pods.eks.amazonaws.com"),
    "eks:CreateAddon": ("podIdentityAssociations", "pods.eks.amazonaws.com"),
    "eks:UpdateAddon": ("podIdentityAssociations", "pods.eks.amazonaws.com"),
    "ec2:CreateFlowLogs": ("DeliverLogsPermissionArn", "vpc-flow-logs.amazonaws.com"),
    "cloudtrail:CreateTrail": ("CloudWatchLogsRoleArn", "cloudtrail.amazonaws.com"),
    "cloudtrail:UpdateTrail": ("CloudWatchLogsRoleArn", "cloudtrail.amazonaws.com"),
}


def _dependents(
    prefix: str, operation: str, place: Mapping[str, str], params: Mapping[str, Any], tags: Mapping[str, str]
) -> Iterator[Request]:
    """What AWS checks besides the action itself."""
    call = f"{prefix}:{operation}"
    if call in _PASSING:
        parameter, service = _PASSING[call]
        for role in _texts(params.get(parameter)):
            if ":role/" in role:
                yield Request("iam:PassRole", role, {"iam:passedtoservice": (service,)})
                if service.startswith("pods."):
                    yield Request("iam:GetRole", role)
    if tags and call in _TAGGING:
        action, template = _TAGGING[call]
        for resource in _filled(template, place, params):
            yield Request(action, resource)
    if prefix == "ec2" and params.get("TagSpecifications") and operation in _EC2_MADE:
        yield Request(
            "ec2:CreateTags", _ec2_arn(_EC2_MADE[operation], "new", place), {"ec2:createaction": (operation,)}
        )
    if call == "eks:CreateCluster":
        for value in _texts(params.get("encryptionConfig")):
            if ":kms:" in value:
                yield Request("kms:DescribeKey", value)
                yield Request("kms:CreateGrant", value)
    if call in ("eks:CreateNodegroup", "eks:UpdateNodegroupVersion") and params.get("launchTemplate"):
        # EKS tries the template with the caller's rights. What else RunInstances touches is not known here.
        template = params["launchTemplate"]
        yield Request("ec2:RunInstances", _ec2_arn("launch-template", str(template.get("id", "x")), place))
