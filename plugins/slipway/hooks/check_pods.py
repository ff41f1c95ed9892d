"""What a check's pod is made of, in the models that the provider's pod operator takes.

A check pod is confined as a workload would be under the *restricted* Pod Security Standard: not root, no privileges,
a root file system that is read-only, ``/tmp`` as the only place to write.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any

from kubernetes.client import ApiClient
from kubernetes.client import models as k8s

from slipway.decisions.checks import CPU_REQUEST, memory_request
from slipway.model.component import Check, Component

SCRIPTS_PATH = "/checks"


def base_pod() -> k8s.V1Pod:
    """What the operator has no argument for: no service links, which set variables such as ``KAFKA_PORT``.

    Images take those for configuration.
    """
    return k8s.V1Pod(spec=k8s.V1PodSpec(containers=[], enable_service_links=False))


def command(check: Check) -> list[str]:
    """Argument list of the container: the check's own, or a shell that runs its script."""
    if check.script is None:
        return list(check.command or [])
    return ["sh", f"{SCRIPTS_PATH}/{PurePosixPath(check.script).name}"]


def environment(check: Check, **more: str) -> list[k8s.V1EnvVar]:
    """Variables of the container; values of secrets stay references.

    :param more: plain variables besides the check's own.
    """
    plain = {"HOME": "/tmp", **check.env, **more}  # noqa: S108 - the only writable path of the pod
    variables = [k8s.V1EnvVar(name=name, value=value) for name, value in plain.items()]
    for name, source in check.secret_env.items():
        selector = k8s.V1SecretKeySelector(name=source.secret, key=source.key)
        variables.append(k8s.V1EnvVar(name=name, value_from=k8s.V1EnvVarSource(secret_key_ref=selector)))
    return variables


def volumes(component: Component, check: Check) -> list[k8s.V1Volume]:
    """The scratch folder, and the component's scripts when the check runs one."""
    made = [k8s.V1Volume(name="tmp", empty_dir=k8s.V1EmptyDirVolumeSource(size_limit="256Mi"))]
    if check.script is not None:
        scripts = k8s.V1ConfigMapVolumeSource(name=f"{component.name}-checks", default_mode=0o555)
        made.append(k8s.V1Volume(name="checks", config_map=scripts))
    return made


def mounts(check: Check) -> list[k8s.V1VolumeMount]:
    """Where the container sees :func:`volumes`."""
    made = [k8s.V1VolumeMount(name="tmp", mount_path="/tmp")]  # noqa: S108 - inside the pod
    if check.script is not None:
        made.append(k8s.V1VolumeMount(name="checks", mount_path=SCRIPTS_PATH, read_only=True))
    return made


def resources(check: Check) -> k8s.V1ResourceRequirements:
    """Requests and limits."""
    requests = {"cpu": CPU_REQUEST, "memory": memory_request(check)}
    return k8s.V1ResourceRequirements(requests=requests, limits={"memory": check.memory})


def pod_security(check: Check) -> k8s.V1PodSecurityContext:
    """The pod runs as the check's user, never root."""
    return k8s.V1PodSecurityContext(
        run_as_non_root=True,
        run_as_user=check.run_as,
        run_as_group=check.run_as,
        fs_group=check.run_as,
        seccomp_profile=k8s.V1SeccompProfile(type="RuntimeDefault"),
    )


def container_security() -> k8s.V1SecurityContext:
    """The container gains nothing and changes nothing of its image."""
    return k8s.V1SecurityContext(
        allow_privilege_escalation=False,
        read_only_root_filesystem=True,
        capabilities=k8s.V1Capabilities(drop=["ALL"]),
    )


def tolerations(items: Iterable[Mapping[str, str]]) -> list[k8s.V1Toleration]:
    """Tolerations as the provider takes them, from those of a manifest."""
    return [k8s.V1Toleration(**item) for item in items]


def labels(component: Component) -> dict[str, str]:
    """What tells a check's pod from the workload that it checks."""
    return {
        "app.kubernetes.io/name": component.name,
        "app.kubernetes.io/component": "check",
        "app.kubernetes.io/part-of": "slipway",
        "slipway.dev/role": "check",
        "slipway.dev/component": component.name,
    }


def manifest(
    name: str,
    component: Component,
    check: Check,
    *,
    image: str,
    region: str,
    tolerations: Iterable[k8s.V1Toleration],
    more_labels: Mapping[str, str],
    deadline_seconds: int,
) -> dict[str, Any]:
    """A check's pod as the API takes it: the same one that a deploy's check task makes through its provider.

    :param deadline_seconds: when Kubernetes itself ends it.
    """
    container = k8s.V1Container(
        name="base",
        image=image,
        image_pull_policy="IfNotPresent",
        command=command(check),
        env=environment(check, AWS_REGION=region),
        resources=resources(check),
        security_context=container_security(),
        termination_message_policy="FallbackToLogsOnError",
        volume_mounts=mounts(check),
    )
    pod = k8s.V1Pod(
        api_version="v1",
        kind="Pod",
        metadata=k8s.V1ObjectMeta(
            name=name, namespace=component.spec.namespace, labels={**labels(component), **more_labels}
        ),
        spec=k8s.V1PodSpec(
            containers=[container],
            restart_policy="Never",
            enable_service_links=False,
            service_account_name=check.service_account,
            automount_service_account_token=check.service_account is not None,
            security_context=pod_security(check),
            tolerations=list(tolerations) or None,
            volumes=volumes(component, check),
            active_deadline_seconds=deadline_seconds,
        ),
    )
    made: dict[str, Any] = ApiClient().sanitize_for_serialization(pod)
    return made
