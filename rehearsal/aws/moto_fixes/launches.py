"""EC2 launches: instances get what their launch template says, and leave nothing behind when they end.

moto ignores the template's metadata options and its tags for volumes and network interfaces, adds a second
root volume beside the template's, and keeps the primary network interface of a terminated instance.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moto.ec2.models.instances import InstanceBackend

from rehearsal.aws.moto_fixes.wrapping import around


def install() -> None:
    """Correct RunInstances."""
    around(InstanceBackend, "run_instances", _run_instances)


def _run_instances(
    original: Callable[..., Any],
    backend: Any,
    image_id: str,
    count: int,
    user_data: Any,
    security_group_names: list[str],
    **options: Any,
) -> Any:
    template = _template(backend, options.get("launch_template"))
    tags = {kind: dict(values) for kind, values in (options.get("tags") or {}).items()}
    for kind, values in _template_tags(template).items():
        tags[kind] = {**values, **tags.get(kind, {})}
    options["tags"] = tags
    if template.get("BlockDeviceMappings"):
        options.setdefault("block_device_mappings", template["BlockDeviceMappings"])
    if template.get("MetadataOptions") and not options.get("metadata_options"):
        options["metadata_options"] = template["MetadataOptions"]
    if template.get("InstanceMarketOptions"):
        options.setdefault("instance_market_options", template["InstanceMarketOptions"])
    given = {nic.get("NetworkInterfaceId") for nic in options.get("nics") or []}
    reservation = original(backend, image_id, count, user_data, security_group_names, **options)
    for instance in reservation.instances:
        for interface in instance.nics.values():
            if interface.id not in given:
                interface.delete_on_termination = True
                interface.add_tags(tags.get("network-interface", {}))
    return reservation


def _template(backend: Any, argument: dict[str, Any] | None) -> dict[str, Any]:
    if not argument:
        return {}
    data: dict[str, Any] = backend._get_template_from_args(argument).data
    return data


def _template_tags(template: dict[str, Any]) -> dict[str, dict[str, str]]:
    return {
        specification["ResourceType"]: {tag["Key"]: tag["Value"] for tag in specification.get("Tags", [])}
        for specification in template.get("TagSpecifications", [])
    }
