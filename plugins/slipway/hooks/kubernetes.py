"""Access to a platform's EKS cluster: where its API is, and tokens for it made in this process.

A token is a presigned STS request, made in milliseconds without a network call. Neither a kubeconfig file nor an exec
plugin takes part, so nothing is written to disk and no process is started per call.
"""

from __future__ import annotations

import base64
import threading
import time
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from botocore.exceptions import ClientError

from slipway.hooks.aws import AwsHook, client, code_of
from slipway.model.errors import Problem, RefusedError
from slipway.model.platform import Platform

# EKS honours a token for 15 minutes after it was signed; renewed early enough for a slow request to end.
TOKEN_LIFE_SECONDS = 14 * 60
TOKEN_RENEWAL_SECONDS = 2 * 60
# What ``aws eks get-token`` asks for; the authenticator counts its own 15 minutes from the signature's date.
PRESIGNED_SECONDS = 60


class ClusterAbsent(RefusedError):
    """EKS has no such cluster, or none with an API yet. Trying again makes none: the stage infrastructure does."""

    def __init__(self, cluster: str, region: str, found: str) -> None:
        super().__init__(
            Problem(
                f"EKS cluster {cluster} in {region}",
                "",
                found,
                "an active cluster",
                "run platform_deploy with the stage infrastructure, and choose the region that the platform is in",
            )
        )


@dataclass(frozen=True, slots=True)
class ClusterEndpoint:
    """Where a cluster's API is. Holds no secret, so that triggers may carry it.

    :param authority: PEM of the certificate authority that signed the API's certificate.
    """

    cluster: str
    region: str
    url: str
    authority: str

    def as_dict(self) -> dict[str, str]:
        """For a trigger's arguments; ``ClusterEndpoint(**…)`` reads it back."""
        return asdict(self)


class EksAccess:
    """Makes the way into one EKS cluster, with the credentials of the AWS connection.

    Tokens are shared within the process: a triggerer may watch twenty rollouts of one cluster.

    :param url: the cluster's API, when known; :meth:`endpoint` learns it.
    """

    _tokens: dict[tuple[str, str, str], tuple[str, float]] = {}
    _lock = threading.Lock()

    def __init__(self, cluster: str, region: str, url: str = "") -> None:
        self.cluster = cluster
        self.region = region
        self.url = url

    @classmethod
    def of(cls, platform: Platform) -> EksAccess:
        """Access to a platform's cluster."""
        return cls(platform.cluster_name, platform.region)

    @classmethod
    def to(cls, endpoint: ClusterEndpoint) -> EksAccess:
        """Access to a cluster whose endpoint is known."""
        return cls(endpoint.cluster, endpoint.region, endpoint.url)

    def endpoint(self) -> ClusterEndpoint:
        """Ask EKS where the cluster's API is.

        :raises ClusterAbsent: EKS says that there is no such cluster, or it has no endpoint yet.
        """
        try:
            cluster = client("eks", self.region).describe_cluster(name=self.cluster)["cluster"]
        except ClientError as error:
            if code_of(error) == "ResourceNotFoundException":
                raise ClusterAbsent(self.cluster, self.region, "no such cluster") from error
            raise
        if not cluster.get("endpoint"):
            raise ClusterAbsent(self.cluster, self.region, f"status {cluster.get('status')} and no API endpoint yet")
        self.url = cluster["endpoint"]
        authority = base64.b64decode(cluster["certificateAuthority"]["data"]).decode()
        return ClusterEndpoint(self.cluster, self.region, self.url, authority)

    def token(self) -> str:
        """Return a bearer token that is good for two minutes at least. Never log it."""
        with self._lock:
            token, born = self._tokens.get(self._key, ("", 0.0))
            if time.monotonic() - born > TOKEN_LIFE_SECONDS - TOKEN_RENEWAL_SECONDS or not token:
                token = self._make_token()
                self._tokens[self._key] = (token, time.monotonic())
            return token

    def forget_token(self) -> None:
        """Drop the token, because the API refused it."""
        with self._lock:
            self._tokens.pop(self._key, None)

    @property
    def _key(self) -> tuple[str, str, str]:
        return self.cluster, self.region, self.url

    def _make_token(self) -> str:
        url: str = self._sts.generate_presigned_url(
            "get_caller_identity", ExpiresIn=PRESIGNED_SECONDS, HttpMethod="GET"
        )
        return "k8s-aws-v1." + base64.urlsafe_b64encode(url.encode()).decode().rstrip("=")

    @cached_property
    def _sts(self) -> Any:
        """STS of the region, the only one EKS accepts, whose requests name the cluster in a signed header."""
        # A client of its own: the shared one must not name a cluster.
        sts: Any = AwsHook("sts", self.region).conn
        sts.meta.events.register("before-sign.sts.GetCallerIdentity", self._name_cluster)
        return sts

    def _name_cluster(self, request: Any, **_: object) -> None:
        request.headers["x-k8s-aws-id"] = self.cluster
