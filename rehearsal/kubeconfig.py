"""kubectl's way into the rehearsal's clusters: a kubeconfig, and the IAM token it asks for on every call."""

from __future__ import annotations

import base64
import json
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

HOST = "127.0.0.1"
_TOKEN_PREFIX = "k8s-aws-v1."  # noqa: S105 - not a secret, the format's marker
_TOKEN_LIFETIME = timedelta(minutes=14)


class CloudError(RuntimeError):
    """The rehearsal cloud cannot do what was asked; the message says why and what to do."""


def kubeconfig(name: str | None) -> str:
    """A kubeconfig for one cluster, or for all of the region; the current context is the first.

    :raises CloudError: when there is no such cluster, or none that is up.
    """
    import boto3
    import yaml
    from botocore.exceptions import BotoCoreError, ClientError

    env = _environment()
    session = boto3.Session(env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], region_name=_region(env))
    eks = session.client("eks", endpoint_url=env["AWS_ENDPOINT_URL"])
    try:
        names = [name] if name else eks.list_clusters()["clusters"]
        clusters = [eks.describe_cluster(name=each)["cluster"] for each in names]
    except (BotoCoreError, ClientError) as error:
        raise CloudError(f"no kubeconfig: {error}") from error
    ready = [cluster for cluster in clusters if cluster.get("endpoint")]
    if not ready:
        states = ", ".join(f"{cluster['name']} is {cluster['status']}" for cluster in clusters)
        raise CloudError(f"no cluster has an endpoint yet ({states or 'there is no cluster'})")
    return str(yaml.safe_dump(_config(ready, env), sort_keys=False))


def exec_credential(name: str) -> str:
    """The ``ExecCredential`` that kubectl reads from its exec plugin."""
    expires = datetime.now(UTC) + _TOKEN_LIFETIME
    status = {"token": token(name), "expirationTimestamp": expires.strftime("%Y-%m-%dT%H:%M:%SZ")}
    return json.dumps({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status})


def token(name: str) -> str:
    """An EKS token: a presigned ``GetCallerIdentity`` for the cluster, as ``aws eks get-token`` makes it."""
    # Only the signer: importing boto3 would double the time of every kubectl call.
    from botocore.auth import SigV4QueryAuth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    env = _environment()
    credentials = Credentials(
        env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], os.environ.get("AWS_SESSION_TOKEN")
    )
    request = AWSRequest(
        method="GET",
        url=f"{env['AWS_ENDPOINT_URL']}/",
        params={"Action": "GetCallerIdentity", "Version": "2011-06-15"},
        headers={"x-k8s-aws-id": name},
    )
    SigV4QueryAuth(credentials, "sts", _region(env), expires=60).add_auth(request)
    return _TOKEN_PREFIX + base64.urlsafe_b64encode(str(request.url).encode()).decode().rstrip("=")


def _config(clusters: list[dict[str, Any]], env: dict[str, str]) -> dict[str, Any]:
    python_path = str(Path(__file__).parents[1])
    variables = {**env, "PYTHONPATH": python_path}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": cluster["name"],
                "cluster": {
                    "server": cluster["endpoint"],
                    "certificate-authority-data": cluster["certificateAuthority"]["data"],
                },
            }
            for cluster in clusters
        ],
        "users": [
            {
                "name": cluster["name"],
                "user": {
                    "exec": {
                        "apiVersion": "client.authentication.k8s.io/v1",
                        "command": sys.executable,
                        "args": ["-m", "rehearsal.cloud", "token", cluster["name"]],
                        "env": [{"name": key, "value": value} for key, value in variables.items()],
                        "interactiveMode": "Never",
                    }
                },
            }
            for cluster in clusters
        ],
        "contexts": [
            {"name": cluster["name"], "context": {"cluster": cluster["name"], "user": cluster["name"]}}
            for cluster in clusters
        ],
        "current-context": clusters[0]["name"],
    }


def _environment() -> dict[str, str]:
    """Where the cloud is: as the SDK is told, or at the rehearsal's port on this machine."""
    port = os.environ.get("REHEARSAL_AWS_PORT") or "5555"
    return {
        "AWS_ENDPOINT_URL": os.environ.get("AWS_ENDPOINT_URL", f"http://{HOST}:{port}"),
        "AWS_ACCESS_KEY_ID": os.environ.get("AWS_ACCESS_KEY_ID", "rehearsal"),
        "AWS_SECRET_ACCESS_KEY": os.environ.get("AWS_SECRET_ACCESS_KEY", "rehearsal"),
        "AWS_DEFAULT_REGION": os.environ.get("AWS_DEFAULT_REGION") or os.environ.get("AWS_REGION", "us-east-1"),
    }


def _region(env: dict[str, str]) -> str:
    return env["AWS_DEFAULT_REGION"]
