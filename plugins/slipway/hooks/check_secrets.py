"""Values of the secrets that a check's pod was given, so that none of them is shown should its script print one."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from airflow.sdk.log import mask_secret
from kubernetes.client.exceptions import ApiException

from slipway.decisions.checks import SHORTEST_SECRET
from slipway.model.component import Check

ABSENT = 404


def secret_values(client: Any, check: Check, namespace: str) -> list[str]:
    """Read them from the cluster, where the pod got them, and tell Airflow to mask them.

    A Secret that is gone by now gives none.

    :param client: the Kubernetes client's core API.
    :raises ApiException: a Secret could not be read. Better no output than one that was not looked through.
    """
    found: list[str] = []
    for name in sorted({source.secret for source in check.secret_env.values()}):
        try:
            data = client.read_namespaced_secret(name=name, namespace=namespace).data or {}
        except ApiException as error:
            if error.status != ABSENT:
                raise
            continue
        found += values_of(data)
    return found


def values_of(data: Mapping[str, str]) -> list[str]:
    """Values of a Secret's ``data``, which Airflow is told to mask, and their single lines.

    Names of users and the like are too short to count, and would be struck out of every sentence.
    """
    found: list[str] = []
    for value in data.values():
        text = base64.b64decode(value).decode("utf-8", errors="replace")
        found += [text, *(line for line in text.splitlines() if line != text)]
    secret = [value for value in found if len(value) >= SHORTEST_SECRET]
    for value in secret:
        mask_secret(value)
    return secret
