"""The live inventory of a region: every resource there is, each judged to be the platform's or not.

A part that cannot be read is reported as unread. Nobody may take it for empty: a teardown that was not allowed to
look at volumes has not proved that there are none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

from botocore.exceptions import BotoCoreError, ClientError

from slipway.decisions.ownership import claim, linked
from slipway.hooks.aws import client, code_of, message_of
from slipway.hooks.resources_ec2 import EC2, Lister
from slipway.hooks.resources_services import SERVICES, tagged
from slipway.model.platform import Platform
from slipway.model.resource import Inventory, Resource, Unread

AT_ONCE = 8
LISTERS: Mapping[str, Lister] = {**EC2, **SERVICES}


class ResourcesHook:
    """Lists what is in a platform's account and region.

    :param region: another region than the platform's own, to look for strays there.
    """

    def __init__(self, platform: Platform, region: str | None = None) -> None:
        self.platform = platform
        self.region = region or platform.region

    def inventory(self, parts: Iterable[str] | None = None) -> Inventory:
        """List everything, services side by side; takes seconds.

        :param parts: names of :data:`LISTERS` to keep to; everything, and whatever carries our tag, without it.
        """
        chosen = dict(LISTERS) if parts is None else {part: LISTERS[part] for part in parts}
        if parts is None:
            chosen["tagged resources"] = tagged
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="inventory") as pool:
            results = dict(zip(chosen, pool.map(self._list, chosen, chosen.values()), strict=True))
        unread = [result for result in results.values() if isinstance(result, Unread)]
        listed: list[Resource] = []
        for part, result in results.items():
            if isinstance(result, Unread):
                continue
            # The tagging API repeats what the lists have, and remembers for a while what is gone.
            listed += self._unlisted(result, listed, unread) if part == "tagged resources" else result
        account = str(client("sts", self.region).get_caller_identity()["Account"])
        resources = claim(linked(listed), self.platform)
        return Inventory(region=self.region, account=account, resources=resources, unread=unread)

    def strays(self, regions: Iterable[str]) -> Inventory:
        """What carries the platform's tag in regions where nothing of it should be, by the tagging API alone."""
        found: list[Resource] = []
        unread: list[Unread] = []
        for region in regions:
            result = ResourcesHook(self.platform, region)._list(f"tagged resources in {region}", tagged)
            if isinstance(result, Unread):
                unread.append(result)
            else:
                found += result
        return Inventory(
            region=",".join(regions),
            account=self.platform.environment.account,
            resources=claim(found, self.platform),
            unread=unread,
        )

    def _list(self, part: str, lister: Lister) -> list[Resource] | Unread:
        try:
            return list(lister(self.region))
        except (ClientError, BotoCoreError) as error:
            operation = error.operation_name if isinstance(error, ClientError) else type(error).__name__
            reason = f"{operation}: {code_of(error)} {message_of(error)}".strip()
            return Unread(part=part, reason=reason)

    @staticmethod
    def _unlisted(tagged_: list[Resource], listed: list[Resource], unread: list[Unread]) -> list[Resource]:
        """Tagged resources of services that no list covers."""
        covered = {service_of(one) for one in listed} | COVERED
        skipped = {service for part in unread for service in COVERED if service in part.part.lower()}
        return [one for one in tagged_ if service_of(one) not in covered - skipped]


# Services whose resources the lists cover completely, by the names that ARNs give them.
COVERED = frozenset(
    {
        "ec2",
        "autoscaling",
        "elasticloadbalancing",
        "eks",
        "logs",
        "kms",
        "cloudformation",
        "cloudtrail",
        "secretsmanager",
        "cloudwatch",
        "events",
        "s3",
        "iam",
        "budgets",
    }
)


def service_of(resource: Resource) -> str:
    """The service in a resource's ARN, empty for what has none."""
    parts = resource.arn.split(":", 3)
    return parts[2] if len(parts) > 2 else ""


def other_regions(platform: Platform) -> list[str]:
    """Regions that the account has enabled and the environment does not use."""
    found = client("ec2", platform.region).describe_regions()["Regions"]
    return sorted(one["RegionName"] for one in found if one["RegionName"] not in platform.environment.regions)
