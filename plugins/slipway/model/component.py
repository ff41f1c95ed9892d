"""What ``component.yaml`` says of a component: needs, secrets, checks, endpoints, objectives."""

from __future__ import annotations

import re
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, StringConstraints, model_validator

from slipway.model.environment import KubernetesName, Strict

_DURATION = re.compile(r"(?:(\d{1,4})h)?(?:(\d{1,5})m)?(?:(\d{1,6})s)?")
LONGEST_DURATION = timedelta(hours=24)
LOCAL_PORT_LOW = 1024


def parse_duration(value: object) -> timedelta:
    """Read a duration such as ``90s``, ``15m`` or ``1h30m``.

    :raises ValueError: anything else, zero and more than a day included.
    """
    if isinstance(value, timedelta):
        return value
    match = _DURATION.fullmatch(value) if isinstance(value, str) and value else None
    if not match:
        raise ValueError(f"{value!r} is not a duration; write it like 90s, 15m or 1h30m")
    hours, minutes, seconds = (int(part or 0) for part in match.groups())
    duration = timedelta(hours=hours, minutes=minutes, seconds=seconds)
    if not duration:
        raise ValueError("a duration of zero would never be met")
    if duration > LONGEST_DURATION:
        raise ValueError(f"{value} is more than a day, longer than any run lasts")
    return duration


Duration = Annotated[timedelta, BeforeValidator(parse_duration)]
# What pods take: a reference of an image, a name of a variable, of a Secret's key, a quantity of memory.
ImageName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/@-]{0,254}$")]
VariableName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,127}$")]
SecretKeyName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_]([-._A-Za-z0-9]{0,251}[A-Za-z0-9_])?$")]
Memory = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,11}(Ki|Mi|Gi|k|M|G)?$")]
DnsName = Annotated[
    str,
    StringConstraints(
        pattern=r"^(\*\.)?[A-Za-z0-9]([-A-Za-z0-9]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([-A-Za-z0-9]{0,61}[A-Za-z0-9])?)*$"
    ),
]


class StageName(StrEnum):
    """The five stages, in pipeline order; the values are folder names under ``include/manifests``."""

    INFRASTRUCTURE = "infrastructure"
    BASE_SERVICES = "base-services"
    DATA_LAYER = "data-layer"
    APPLICATIONS = "applications"
    VALIDATION = "validation"

    @property
    def group_id(self) -> str:
        """The stage's task group: Airflow identifiers read better without dashes."""
        return self.value.replace("-", "_")


class SecretKeyRef(Strict):
    """A key of a Kubernetes Secret."""

    secret: KubernetesName
    key: SecretKeyName


class SecretKey(Strict):
    """Where a secret's value comes from: written here because it is no secret, or generated once.

    :param generate: length in characters of a random value.
    :param certificate: DNS names of a self-signed server certificate; the value is its private key and itself, as PEM.
    """

    value: str | None = None
    generate: Annotated[int, Field(ge=16, le=1024)] | None = None
    certificate: Annotated[list[DnsName], Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if sum(source is not None for source in (self.value, self.generate, self.certificate)) != 1:
            raise ValueError("a key has one of value (no secret), generate (its length) or certificate (its DNS names)")
        return self


class Secret(Strict):
    """A Secret generated once into Secrets Manager and copied into the component's namespace.

    :param also_in: further namespaces that get a copy: those of clients, when a server's password is theirs too.
    """

    name: KubernetesName
    namespace: KubernetesName | None = None
    also_in: list[KubernetesName] = []
    keys: Annotated[dict[SecretKeyName, SecretKey], Field(min_length=1)]


class Better(StrEnum):
    """Which way a number gets better."""

    HIGHER = "higher"
    LOWER = "lower"


class Tolerance(Strict):
    """How much worse than its baseline a benchmark's number may be.

    :param percent: above it, the result is a regression and the check fails.
    :param negligible: a number of which less is better is no regression up to this value, whatever the percentage:
        two milliseconds instead of one are not worth a failed deploy.
    """

    better: Better
    percent: Annotated[float, Field(gt=0, le=1000)]
    negligible: Annotated[float, Field(ge=0)] = 0.0


class Check(Strict):
    """A proof that runs as a pod.

    :param proves: what a pass means, in one sentence.
    :param script: POSIX shell script, relative to the component's folder.
    :param command: argument list instead of a script, for images without a shell.
    :param image: image to run it in; the component's own when absent.
    :param memory: memory limit and request of the pod, as a Kubernetes quantity.
    :param tolerances: by name of a number in the check's last line: makes it a benchmark, whose results are kept and
        compared with those before.
    :param light: health repeats it, about once an hour: it reads, or writes next to nothing, and ends within seconds
        when all is well.
    """

    name: KubernetesName
    proves: str
    script: str | None = None
    command: list[str] | None = None
    image: ImageName | None = None
    timeout: Duration = timedelta(minutes=3)
    env: dict[VariableName, str] = {}
    secret_env: dict[VariableName, SecretKeyRef] = {}
    service_account: KubernetesName | None = None
    run_as: Annotated[int, Field(gt=0)] = 65532
    memory: Memory = "256Mi"
    tolerances: dict[str, Tolerance] = {}
    light: bool = False

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.script is None) == (self.command is None):
            raise ValueError("a check has either script or command")
        if self.light and self.tolerances:
            raise ValueError("a benchmark is not light: leave out light, or tolerances")
        if self.script is not None and (".." in Path(self.script).parts or Path(self.script).is_absolute()):
            raise ValueError(f"script {self.script!r} leaves the component's folder")
        return self


class PortForward(Strict):
    """A port people forward to.

    :param protocol: what is spoken there; ``http`` is probed and opened with a browser.
    """

    name: str
    service: KubernetesName
    port: Annotated[int, Field(ge=1, le=65535)]
    local: Annotated[int, Field(ge=LOCAL_PORT_LOW, le=65535)]
    path: Annotated[str, StringConstraints(pattern=r"^/[^\s<>\"'\\]*$")] = "/"
    protocol: Literal["http", "tcp"] = "http"


class Objective(Strict):
    """A service level objective.

    :param objective: percent of good events over the window.
    :param good: PromQL for the rate of good events, with ``[$window]`` ranges left to the rules.
    :param total: PromQL for the rate of all events.
    """

    name: str
    objective: Annotated[float, Field(gt=0, lt=100)]
    window: Annotated[str, StringConstraints(pattern=r"^[1-9]\d{0,3}[smhdw]$")] = "30d"
    good: str
    total: str


class PodIdentity(Strict):
    """A service account of the component that acts in AWS, through EKS Pod Identity.

    :param role: output of the identity stack with the role's ARN.
    """

    service_account: KubernetesName
    role: Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Za-z0-9]*RoleArn$")]


class ProofLevel(StrEnum):
    """How far a component was proven without an AWS account.

    ``real``: its software ran and its checks passed against it. ``emulated``: its objects were deployed and rolled out
    on the rehearsal cloud, its software did not run. ``aws``: it works on AWS only.
    """

    REAL = "real"
    EMULATED = "emulated"
    AWS = "aws"


class Proof(Strict):
    """What was proven of a component outside AWS, for the table of services.

    :param missing: what was not, in one sentence.
    """

    level: ProofLevel = ProofLevel.EMULATED
    missing: str = ""


class ComponentSpec(Strict):
    """Contents of ``component.yaml``.

    :param why: why this software and not another, in one sentence.
    """

    description: Annotated[str, StringConstraints(min_length=1)]
    why: str = ""
    proof: Proof = Proof()
    needs: list[KubernetesName] = []
    workload: KubernetesName = "primary"
    namespace: KubernetesName
    timeout: Duration = timedelta(minutes=10)
    stateful: bool = False
    secrets: list[Secret] = []
    pod_identities: list[PodIdentity] = []
    checks: list[Check] = []
    endpoints: list[PortForward] = []
    slos: list[Objective] = []

    @model_validator(mode="after")
    def _check(self) -> Self:
        names = [check.name for check in self.checks]
        if len(set(names)) != len(names):
            raise ValueError("two checks have the same name")
        return self


class Component(Strict):
    """A component: its folder, its stage and what its ``component.yaml`` says."""

    name: KubernetesName
    stage: StageName
    folder: Path
    spec: ComponentSpec

    @property
    def group_id(self) -> str:
        """The component's task group."""
        return self.name.replace("-", "_")
