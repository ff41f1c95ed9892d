"""Asks image registries for digests, as a container runtime would (OCI distribution specification 1.1).

Only manifests' headers are fetched, never an image. Public registries hand out a token to anyone who asks for pulling;
a private ECR gets the credentials of the process. Other logins are not known: those registries answer 401, which is
reported as such.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from enum import StrEnum

import requests

from slipway.catalog.images import split_image

TIMEOUT_SECONDS = 20
# An index first: its digest serves every architecture.
ACCEPT = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)
_PRIVATE_ECR = re.compile(r"^(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com$")
_PARAMETER = re.compile(r'(\w+)="([^"]*)"')


class Served(StrEnum):
    """What a registry said of a manifest."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Answer:
    """A registry's answer.

    :param digest: of the manifest, when served.
    :param reason: why nothing is known, when so.
    """

    served: Served
    digest: str = ""
    reason: str = ""


class RegistryHook:
    """Registries, with the tokens that were handed out kept for further questions.

    :param schemes: scheme by registry host, for one without TLS; https otherwise.
    """

    def __init__(self, schemes: dict[str, str] | None = None) -> None:
        self._schemes = schemes or {}
        self._session = requests.Session()
        self._authorizations: dict[tuple[str, str], str] = {}

    def digest_of(self, image: str) -> Answer:
        """Digest that a tag leads to now, or whether a digest is still served when the reference has one."""
        name, tag, digest = split_image(image)
        host, repository = locate(name)
        return self._head(host, repository, digest or tag or "latest")

    def _head(self, host: str, repository: str, reference: str) -> Answer:
        url = f"{self._schemes.get(host, 'https')}://{host}/v2/{repository}/manifests/{reference}"
        headers = {"Accept": ACCEPT}
        known = self._authorizations.get((host, repository)) or self._own(host)
        try:
            response = self._ask(url, headers | ({"Authorization": known} if known else {}))
            if response.status_code == requests.codes.unauthorized and not known:
                granted = self._granted(response.headers.get("WWW-Authenticate", ""))
                if granted:
                    self._authorizations[host, repository] = granted
                    response = self._ask(url, headers | {"Authorization": granted})
        except requests.RequestException as error:
            return Answer(Served.UNKNOWN, reason=f"{host} cannot be reached: {type(error).__name__}")
        if response.status_code == requests.codes.not_found:
            return Answer(Served.NO, reason=f"{host} has no {repository} {reference}")
        digest = response.headers.get("Docker-Content-Digest", "")
        if response.status_code != requests.codes.ok or not digest:
            return Answer(Served.UNKNOWN, reason=f"{host} answered {response.status_code} without a digest")
        return Answer(Served.YES, digest)

    def _ask(self, url: str, headers: dict[str, str]) -> requests.Response:
        return self._session.head(url, headers=headers, timeout=TIMEOUT_SECONDS, allow_redirects=True)

    def _granted(self, challenge: str) -> str:
        """The token that a registry's challenge asks for; empty when it asks for something else."""
        scheme, _, rest = challenge.partition(" ")
        asked = dict(_PARAMETER.findall(rest))
        realm = asked.pop("realm", "")
        if scheme.lower() != "bearer" or not realm:
            return ""
        response = self._session.get(realm, params=asked, timeout=TIMEOUT_SECONDS)
        if response.status_code != requests.codes.ok:
            return ""
        answer = response.json()
        return f"Bearer {answer.get('token') or answer.get('access_token') or ''}"

    def _own(self, host: str) -> str:
        """Credentials for a private ECR, by the process' own rights in AWS."""
        match = _PRIVATE_ECR.match(host)
        if match is None:
            return ""
        from slipway.hooks.aws import client, explained

        with explained():
            data = client("ecr", match["region"]).get_authorization_token()["authorizationData"]
        token = base64.b64decode(data[0]["authorizationToken"]).decode()
        return f"Basic {base64.b64encode(token.encode()).decode()}"


def locate(name: str) -> tuple[str, str]:
    """Registry host and repository of an image's name; a name without a host is Docker Hub's."""
    first, slash, rest = name.partition("/")
    if not slash or not ("." in first or ":" in first or first == "localhost"):
        return "registry-1.docker.io", name if slash else f"library/{name}"
    return ("registry-1.docker.io" if first == "docker.io" else first), rest
