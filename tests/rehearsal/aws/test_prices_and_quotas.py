"""Prices in the Price List's shape, spot prices, and quotas."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.rehearsal.aws.conftest import Aws


def _filters(**fields: str) -> list[dict[str, str]]:
    return [{"Type": "TERM_MATCH", "Field": field, "Value": value} for field, value in fields.items()]


def _usd(product: str) -> float:
    terms = json.loads(product)["terms"]["OnDemand"]
    dimensions = next(iter(terms.values()))["priceDimensions"]
    return float(next(iter(dimensions.values()))["pricePerUnit"]["USD"])


@pytest.mark.parametrize(
    ("instance_type", "usd"),
    [("t3.small", 0.0208), ("t3.medium", 0.0416), ("c5.xlarge", 0.17), ("r5.large", 0.126), ("t4g.medium", 0.0336)],
)
def test_ec2_prices(aws: Aws, instance_type: str, usd: float) -> None:
    fields = _filters(
        instanceType=instance_type,
        location="US East (N. Virginia)",
        operatingSystem="Linux",
        tenancy="Shared",
        preInstalledSw="NA",
        capacitystatus="Used",
    )
    found = aws.client("pricing").get_products(ServiceCode="AmazonEC2", Filters=fields)["PriceList"]
    assert [_usd(product) for product in found] == [usd]


@pytest.mark.parametrize(
    ("service", "fields", "usd"),
    [
        ("AmazonEKS", {"usagetype": "USE1-AmazonEKS-Hours:perCluster"}, 0.10),
        ("AmazonEC2", {"productFamily": "NAT Gateway", "usagetype": "NatGateway-Hours"}, 0.045),
        ("AmazonEC2", {"volumeApiName": "gp3", "productFamily": "Storage"}, 0.08),
        ("AmazonVPC", {"usagetype": "USE1-PublicIPv4:InUseAddress"}, 0.005),
        ("AWSELB", {"productFamily": "Load Balancer-Application", "usagetype": "LoadBalancerUsage"}, 0.0225),
        ("AmazonCloudWatch", {"group": "Ingested Logs"}, 0.50),
    ],
)
def test_other_prices(aws: Aws, service: str, fields: dict[str, str], usd: float) -> None:
    found = aws.client("pricing").get_products(ServiceCode=service, Filters=_filters(**fields))["PriceList"]
    assert [_usd(product) for product in found] == [usd]


def test_offers_of_savings_plans(aws: Aws) -> None:
    found = aws.client("savingsplans").describe_savings_plans_offering_rates(
        savingsPlanPaymentOptions=["No Upfront"],
        savingsPlanTypes=["Compute"],
        products=["EC2"],
        filters=[{"name": "instanceType", "values": ["t3.large"]}, {"name": "region", "values": ["us-east-1"]}],
    )["searchResults"]
    rates = {one["savingsPlanOffering"]["durationSeconds"]: float(one["rate"]) for one in found}
    assert rates == {31_536_000: 0.06032, 94_608_000: 0.0416}
    one = {"name": "region", "values": ["us-east-1"]}
    pages = aws.client("savingsplans").describe_savings_plans_offering_rates(filters=[one], maxResults=3)
    assert len(pages["searchResults"]) == 3
    assert pages["nextToken"]


def test_filters_pages_and_regions(aws: Aws) -> None:
    pricing = aws.client("pricing")
    pages = pricing.get_paginator("get_products").paginate(
        ServiceCode="AmazonEC2", Filters=_filters(instanceFamily="General purpose"), PaginationConfig={"PageSize": 10}
    )
    names = [json.loads(p)["product"]["attributes"]["instanceType"] for page in pages for p in page["PriceList"]]
    assert len(names) == len(set(names)) > 20
    elsewhere = pricing.get_products(ServiceCode="AmazonEC2", Filters=_filters(regionCode="eu-west-1"))
    assert elsewhere["PriceList"] == [], "prices of other regions are not known, and none are made up"
    any_of = [{"Type": "ANY_OF", "Field": "instanceType", "Value": "t3.small, t3.medium"}]
    assert len(pricing.get_products(ServiceCode="AmazonEC2", Filters=any_of)["PriceList"]) == 2
    contains = [{"Type": "CONTAINS", "Field": "usagetype", "Value": "natgateway"}]
    assert len(pricing.get_products(ServiceCode="AmazonEC2", Filters=contains)["PriceList"]) == 2
    none_of = [{"Type": "NONE_OF", "Field": "productFamily", "Value": "Compute Instance,Storage"}]
    families = {
        json.loads(p)["product"]["productFamily"]
        for p in pricing.get_products(ServiceCode="AmazonEC2", Filters=none_of)["PriceList"]
    }
    assert "NAT Gateway" in families
    assert not families & {"Compute Instance", "Storage"}
    tiers = pricing.get_products(ServiceCode="AWSDataTransfer", Filters=_filters(transferType="AWS Outbound"))
    term = next(iter(json.loads(tiers["PriceList"][0])["terms"]["OnDemand"].values()))
    assert [d["beginRange"] for d in term["priceDimensions"].values()] == ["0", "10240", "51200", "153600"]
    with pytest.raises(pricing.exceptions.InvalidParameterException, match="has prices of"):
        pricing.get_products(ServiceCode="AmazonNothing")
    services = {service["ServiceCode"] for service in pricing.describe_services()["Services"]}
    assert {"AmazonEC2", "AmazonEKS", "AmazonVPC"} <= services
    values = pricing.get_attribute_values(ServiceCode="AmazonEC2", AttributeName="volumeApiName")["AttributeValues"]
    assert [value["Value"] for value in values] == ["gp2", "gp3"]


def test_spot_prices_are_below_list_prices(aws: Aws) -> None:
    history: list[dict[str, Any]] = aws.client("ec2").describe_spot_price_history(
        InstanceTypes=["t3.medium"], ProductDescriptions=["Linux/UNIX"]
    )["SpotPriceHistory"]
    assert len({entry["AvailabilityZone"] for entry in history}) >= 3
    assert all(0.3 * 0.0416 < float(entry["SpotPrice"]) < 0.5 * 0.0416 for entry in history)


def test_quotas(aws: Aws) -> None:
    quotas = aws.client("service-quotas")
    assert {"ec2", "eks", "vpc"} <= {service["ServiceCode"] for service in quotas.list_services()["Services"]}
    clusters = quotas.get_service_quota(ServiceCode="eks", QuotaCode="L-1194D53C")["Quota"]
    assert (clusters["QuotaName"], clusters["Value"]) == ("Clusters", 100.0)
    vcpus = {"ServiceCode": "ec2", "QuotaCode": "L-1216C47A"}
    assert quotas.get_service_quota(**vcpus)["Quota"]["Value"] == 256.0
    assert quotas.get_aws_default_service_quota(**vcpus)["Quota"]["Value"] == 5.0
    assert quotas.list_service_quotas(ServiceCode="vpc")["Quotas"]
    assert quotas.list_aws_default_service_quotas(ServiceCode="vpc")["Quotas"]
    asked = quotas.request_service_quota_increase(**vcpus, DesiredValue=512)["RequestedQuota"]
    assert asked["Status"] == "PENDING"
    with pytest.raises(quotas.exceptions.IllegalArgumentException, match="ask for more"):
        quotas.request_service_quota_increase(**vcpus, DesiredValue=1)
    with pytest.raises(quotas.exceptions.NoSuchResourceException):
        quotas.get_service_quota(ServiceCode="eks", QuotaCode="L-00000000")
