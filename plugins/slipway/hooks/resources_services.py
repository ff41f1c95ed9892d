"""The rest of the inventory: everything that is not EC2. Every function lists one service or kind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from slipway.hooks.aws import client, code_of, tags_of
from slipway.hooks.eks import EksHook
from slipway.hooks.resources_ec2 import Lister, pages
from slipway.model.resource import Kind, Resource

GLOBAL = "global"
# What DescribeTags of load balancers takes at once.
TAGS_AT_ONCE = 20


def _made(kind: str, region: str, identifier: str, arn: str, tags: dict[str, str], **attributes: Any) -> Resource:
    known = {key: value for key, value in attributes.items() if value not in (None, "", [])}
    name = str(known.pop("name", identifier))
    return Resource(kind=kind, id=identifier, arn=arn, region=region, name=name, tags=tags, attributes=known)


def scaling_groups(region: str) -> Iterator[Resource]:
    """Auto Scaling groups."""
    for one in pages(region, "autoscaling", "describe_auto_scaling_groups", "AutoScalingGroups"):
        yield _made(
            Kind.SCALING_GROUP,
            region,
            one["AutoScalingGroupName"],
            one["AutoScalingGroupARN"],
            tags_of(one.get("Tags") or []),
            min=one["MinSize"],
            desired=one["DesiredCapacity"],
            max=one["MaxSize"],
        )


def balancers(region: str) -> Iterator[Resource]:
    """Application, network and gateway load balancers, and their target groups."""
    found = list(pages(region, "elbv2", "describe_load_balancers", "LoadBalancers"))
    groups = list(pages(region, "elbv2", "describe_target_groups", "TargetGroups"))
    tags = _balancer_tags(
        region, [*(one["LoadBalancerArn"] for one in found), *(one["TargetGroupArn"] for one in groups)]
    )
    for one in found:
        arn = one["LoadBalancerArn"]
        yield _made(
            Kind.BALANCER,
            region,
            arn,
            arn,
            tags.get(arn, {}),
            name=one["LoadBalancerName"],
            type=one.get("Type"),
            scheme=one.get("Scheme"),
            vpc=one.get("VpcId"),
            zones=len(one.get("AvailabilityZones") or []),
            dns=one.get("DNSName"),
        )
    for one in groups:
        arn = one["TargetGroupArn"]
        holders = one.get("LoadBalancerArns") or [""]
        yield _made(
            Kind.TARGET_GROUP,
            region,
            arn,
            arn,
            tags.get(arn, {}),
            name=one["TargetGroupName"],
            vpc=one.get("VpcId"),
            balancer=holders[0],
        )


def _balancer_tags(region: str, arns: list[str]) -> dict[str, dict[str, str]]:
    api = client("elbv2", region)
    found: dict[str, dict[str, str]] = {}
    for start in range(0, len(arns), TAGS_AT_ONCE):
        for one in api.describe_tags(ResourceArns=arns[start : start + TAGS_AT_ONCE])["TagDescriptions"]:
            found[one["ResourceArn"]] = tags_of(one.get("Tags") or [])
    return found


def classic_balancers(region: str) -> Iterator[Resource]:
    """Classic load balancers, which the in-tree controller made."""
    api = client("elb", region)
    for one in pages(region, "elb", "describe_load_balancers", "LoadBalancerDescriptions"):
        name = one["LoadBalancerName"]
        described = api.describe_tags(LoadBalancerNames=[name])["TagDescriptions"]
        tags = tags_of(described[0].get("Tags") or []) if described else {}
        yield _made(Kind.CLASSIC_BALANCER, region, name, "", tags, scheme=one.get("Scheme"), vpc=one.get("VPCId"))


def clusters(region: str) -> Iterator[Resource]:
    """EKS clusters with their node groups, add-ons and pod identities."""
    hook = EksHook.of(region)
    for name in pages(region, "eks", "list_clusters", "clusters"):
        cluster = hook.find_cluster(str(name))
        if cluster is None:
            continue
        yield _made(
            Kind.CLUSTER,
            region,
            cluster["name"],
            cluster["arn"],
            dict(cluster.get("tags") or {}),
            version=cluster.get("version"),
            status=cluster.get("status"),
            support=(cluster.get("upgradePolicy") or {}).get("supportType"),
            protected=bool(cluster.get("deletionProtection")),
            vpc=(cluster.get("resourcesVpcConfig") or {}).get("vpcId"),
        )
        yield from _node_groups(hook, region, cluster["name"])
        yield from _addons(hook, region, cluster["name"])


def _node_groups(hook: EksHook, region: str, cluster: str) -> Iterator[Resource]:
    for name in hook.nodegroup_names(cluster):
        group = hook.find_nodegroup(cluster, name)
        if group is None:
            continue
        size = group.get("scalingConfig") or {}
        scaling = (group.get("resources") or {}).get("autoScalingGroups") or []
        yield _made(
            Kind.NODEGROUP,
            region,
            f"{cluster}/{name}",
            group["nodegroupArn"],
            dict(group.get("tags") or {}),
            name=name,
            cluster=cluster,
            status=group.get("status"),
            version=group.get("version"),
            min=size.get("minSize"),
            desired=size.get("desiredSize"),
            max=size.get("maxSize"),
            types=group.get("instanceTypes"),
            spot=group.get("capacityType") == "SPOT",
            scaling_groups=[one["name"] for one in scaling],
        )


def _addons(hook: EksHook, region: str, cluster: str) -> Iterator[Resource]:
    try:
        names = [str(one) for one in pages(region, "eks", "list_addons", "addons", clusterName=cluster)]
    except ClientError as error:
        if code_of(error) == "ResourceNotFoundException":
            return
        raise
    for name in names:
        addon = hook.find_addon(cluster, name)
        if addon is not None:
            yield _made(
                Kind.ADDON,
                region,
                f"{cluster}/{name}",
                addon["addonArn"],
                dict(addon.get("tags") or {}),
                name=name,
                cluster=cluster,
                status=addon.get("status"),
                version=addon.get("addonVersion"),
            )


def log_groups(region: str) -> Iterator[Resource]:
    """CloudWatch log groups. Their names tell whose they are, so tags are not asked for one by one."""
    for one in pages(region, "logs", "describe_log_groups", "logGroups"):
        yield _made(
            Kind.LOG_GROUP,
            region,
            one["logGroupName"],
            one["arn"].removesuffix(":*"),
            {},
            bytes=one.get("storedBytes"),
            retention_days=one.get("retentionInDays"),
        )


def keys(region: str) -> Iterator[Resource]:
    """Customer-managed KMS keys and the aliases of all keys that are not AWS's."""
    api = client("kms", region)
    for one in pages(region, "kms", "list_keys", "Keys"):
        described = api.describe_key(KeyId=one["KeyId"])["KeyMetadata"]
        if described.get("KeyManager") == "AWS":
            continue
        listed = api.list_resource_tags(KeyId=one["KeyId"]).get("Tags") or []
        tags = {pair["TagKey"]: pair["TagValue"] for pair in listed}
        deletion = described.get("DeletionDate")
        yield _made(
            Kind.KEY,
            region,
            one["KeyId"],
            described["Arn"],
            tags,
            name=described.get("Description") or one["KeyId"],
            state=described.get("KeyState"),
            deletion=deletion.isoformat() if deletion else None,
        )
    for one in pages(region, "kms", "list_aliases", "Aliases"):
        if not one["AliasName"].startswith("alias/aws/"):
            yield _made(Kind.ALIAS, region, one["AliasName"], one["AliasArn"], {}, key=one.get("TargetKeyId"))


def stacks(region: str) -> Iterator[Resource]:
    """CloudFormation stacks that are not gone."""
    for one in pages(region, "cloudformation", "describe_stacks", "Stacks"):
        if one["StackStatus"] != "DELETE_COMPLETE":
            tags = tags_of(one.get("Tags") or [])
            yield _made(
                Kind.STACK,
                region,
                one["StackName"],
                one["StackId"],
                tags,
                status=one["StackStatus"],
                reason=one.get("StackStatusReason"),
            )


def trails(region: str) -> Iterator[Resource]:
    """Trails whose home is this region."""
    api = client("cloudtrail", region)
    for one in api.describe_trails(includeShadowTrails=False)["trailList"]:
        listed = api.list_tags(ResourceIdList=[one["TrailARN"]])["ResourceTagList"]
        tags = tags_of(listed[0].get("TagsList") or []) if listed else {}
        yield _made(Kind.TRAIL, region, one["Name"], one["TrailARN"], tags)


def secrets(region: str) -> Iterator[Resource]:
    """Secrets, those scheduled for deletion included; never their values."""
    for one in pages(region, "secretsmanager", "list_secrets", "SecretList", IncludePlannedDeletion=True):
        deletion = one.get("DeletedDate")
        yield _made(
            Kind.SECRET,
            region,
            one["Name"],
            one["ARN"],
            tags_of(one.get("Tags") or []),
            deletion=deletion.isoformat() if deletion else None,
        )


def alarms(region: str) -> Iterator[Resource]:
    """CloudWatch alarms."""
    api = client("cloudwatch", region)
    for one in pages(region, "cloudwatch", "describe_alarms", "MetricAlarms"):
        tags = tags_of(api.list_tags_for_resource(ResourceARN=one["AlarmArn"]).get("Tags") or [])
        yield _made(Kind.ALARM, region, one["AlarmName"], one["AlarmArn"], tags)


def rules(region: str) -> Iterator[Resource]:
    """EventBridge rules."""
    api = client("events", region)
    for one in pages(region, "events", "list_rules", "Rules"):
        tags = tags_of(api.list_tags_for_resource(ResourceARN=one["Arn"]).get("Tags") or [])
        yield _made(Kind.RULE, region, one["Name"], one["Arn"], tags)


def buckets(region: str) -> Iterator[Resource]:
    """Buckets that are in this region. Without tags where there are none, or where they may not be read."""
    api = client("s3", region)
    for one in api.list_buckets()["Buckets"]:
        name = one["Name"]
        try:
            # An empty location is the first region there was.
            if (api.get_bucket_location(Bucket=name).get("LocationConstraint") or "us-east-1") != region:
                continue
            tags = tags_of(api.get_bucket_tagging(Bucket=name)["TagSet"])
        except ClientError as error:
            if code_of(error) not in {"NoSuchTagSet", "NoSuchBucket", "AccessDenied"}:
                raise
            tags = {}
        yield _made(Kind.BUCKET, region, name, f"arn:aws:s3:::{name}", tags)


def roles(region: str) -> Iterator[Resource]:
    """IAM roles, without those that belong to AWS services, and instance profiles."""
    api = client("iam", region)
    for one in pages(region, "iam", "list_roles", "Roles"):
        if one["Path"].startswith("/aws-service-role/"):
            continue
        tags = {
            pair["Key"]: pair["Value"]
            for pair in pages(region, "iam", "list_role_tags", "Tags", RoleName=one["RoleName"])
        }
        yield _made(Kind.ROLE, GLOBAL, one["RoleName"], one["Arn"], tags)
    for one in pages(region, "iam", "list_instance_profiles", "InstanceProfiles"):
        described = api.get_instance_profile(InstanceProfileName=one["InstanceProfileName"])["InstanceProfile"]
        held = [role["RoleName"] for role in one.get("Roles", [])]
        tags = tags_of(described.get("Tags") or [])
        role = held[0] if held else None
        yield _made(Kind.INSTANCE_PROFILE, GLOBAL, one["InstanceProfileName"], one["Arn"], tags, role=role)
    for one in api.list_open_id_connect_providers()["OpenIDConnectProviderList"]:
        arn = one["Arn"]
        described = api.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)
        tags = tags_of(described.get("Tags") or [])
        yield _made(Kind.OIDC_PROVIDER, GLOBAL, arn, arn, tags, name=described.get("Url"))


def budgets(region: str) -> Iterator[Resource]:
    """Budgets of the account."""
    account = client("sts", region).get_caller_identity()["Account"]
    api = client("budgets", region)
    for one in pages(region, "budgets", "describe_budgets", "Budgets", AccountId=account):
        name = one["BudgetName"]
        arn = f"arn:aws:budgets::{account}:budget/{name}"
        listed = api.list_tags_for_resource(ResourceARN=arn).get("ResourceTags") or []
        yield _made(Kind.BUDGET, GLOBAL, name, arn, tags_of(listed))


def tagged(region: str) -> Iterator[Resource]:
    """Whatever else carries a tag of ours, of any service: the net below the lists."""
    filters = [{"Key": "slipway:platform"}]
    for one in pages(region, "resourcegroupstaggingapi", "get_resources", "ResourceTagMappingList", TagFilters=filters):
        arn = one["ResourceARN"]
        service, rest = arn.split(":", 5)[2], arn.split(":", 5)[5]
        yield _made(f"AWS::{service}", region, rest, arn, tags_of(one.get("Tags") or []))


SERVICES: dict[str, Lister] = {
    "Auto Scaling groups": scaling_groups,
    "load balancers": balancers,
    "classic load balancers": classic_balancers,
    "EKS": clusters,
    "log groups": log_groups,
    "KMS keys": keys,
    "CloudFormation stacks": stacks,
    "CloudTrail": trails,
    "secrets": secrets,
    "alarms": alarms,
    "EventBridge rules": rules,
    "S3 buckets": buckets,
    "IAM": roles,
    "budgets": budgets,
}
