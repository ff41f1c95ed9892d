"""What a Compute Savings Plan would cost per hour, from AWS's own offers. Free to ask."""

from __future__ import annotations

from collections.abc import Iterable

from slipway.decisions.savings_plans import compute_rates
from slipway.hooks.aws import client

# Savings Plans are sold for all regions in one place.
API_REGION = "us-east-1"
# No question of ours has so many answers: a term, a payment option and an operating system, times instance types.
MOST_PAGES = 20
PAGE = 1000


def compute_plan_rates(region: str, kinds: Iterable[str]) -> dict[str, float]:
    """USD per hour of Linux instances under a one-year Compute Savings Plan without upfront payment, by type.

    :raises ClientError: it could not be read; botocore's connection errors likewise.
    """
    wanted = sorted(set(kinds))
    if not wanted:
        return {}
    api, offers, token = client("savingsplans", API_REGION), [], ""
    for _ in range(MOST_PAGES):
        answer = api.describe_savings_plans_offering_rates(
            savingsPlanPaymentOptions=["No Upfront"],
            savingsPlanTypes=["Compute"],
            products=["EC2"],
            serviceCodes=["AmazonEC2"],
            filters=[
                {"name": "region", "values": [region]},
                {"name": "instanceType", "values": wanted},
                {"name": "productDescription", "values": ["Linux/UNIX"]},
                {"name": "tenancy", "values": ["shared"]},
            ],
            maxResults=PAGE,
            **({"nextToken": token} if token else {}),
        )
        offers += answer.get("searchResults", [])
        token = answer.get("nextToken") or ""
        if not token:
            break
    return compute_rates(offers, wanted)
