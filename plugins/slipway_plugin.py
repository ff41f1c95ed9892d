"""Registers with Airflow what cannot be found by import: links from tasks to what they made, the Platform page."""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin
from slipway.operators import links
from slipway.page.mount import FASTAPI_APP, VIEW


class SlipwayPlugin(AirflowPlugin):
    """Links from tasks to the AWS console, and the Platform page in the navigation."""

    name = "slipway"
    operator_extra_links = [links.StackLink(), links.ClusterLink(), links.NodeGroupLink()]
    fastapi_apps = [FASTAPI_APP]
    external_views = [VIEW]
