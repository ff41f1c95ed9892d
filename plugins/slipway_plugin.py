"""Registers with Airflow what cannot be found by import: the links from tasks to what they made."""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin
from slipway.operators import links


class SlipwayPlugin(AirflowPlugin):
    """Links from tasks to the AWS console."""

    name = "slipway"
    operator_extra_links = [links.StackLink(), links.ClusterLink(), links.NodeGroupLink()]
