"""The environment that a disaster recovery drill rebuilds: the original under another name, network and region."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence

from pydantic import ValidationError

from slipway.model.environment import Environment
from slipway.model.errors import ConfigurationError, Problem
from slipway.model.policies import Notifications, Policies, Policy

SUFFIX = "-dr"
# Networks to choose from, clear of 10.100.0.0/16, which EKS may give to services.
_POOL = ipaddress.IPv4Network("10.128.0.0/9")


def drill_name(original: str) -> str:
    """Name of an environment's drill."""
    return f"{original}{SUFFIX}"


def original_of(name: str, known: Iterable[str]) -> str | None:
    """The environment that a name is the drill of; ``None`` when it is none's, or an environment by itself.

    :param known: names of the environments that have a file.
    """
    names = set(known)
    original = name.removesuffix(SUFFIX)
    return original if name not in names and name != original and original in names else None


def derive(original: Environment, region: str, taken: Sequence[str], overlays: Mapping[str, str]) -> Environment:
    """The original as a drill builds it: what it runs is the same, nothing it is called by is.

    It is never protected and does nothing by itself, so that the drill alone decides on it.

    :param taken: networks of all environments, in an order that does not change.
    :param overlays: by component, the overlay that the original uses by its name.
    :raises ConfigurationError: the name has no room for the suffix.
    """
    name = drill_name(original.name)
    described = original.model_dump(mode="json")
    described |= {
        "name": name,
        "regions": [region],
        "network": {
            **described["network"],
            "cidr": free_network(original.network.cidr, taken),
            # Names of zones are the other region's.
            "zones": original.network.zone_count,
        },
        "cluster": {**described["cluster"], "deletion_protection": False},
        "components": {**described["components"], "overlays": {**overlays, **original.components.overlays}},
        "policies": _QUIET.model_dump(mode="json"),
        "notifications": Notifications().model_dump(mode="json"),
        "protected": False,
    }
    try:
        return Environment.model_validate(described)
    except ValidationError as error:
        found = "; ".join(str(one["msg"]) for one in error.errors(include_url=False))
        raise ConfigurationError(
            [
                Problem(
                    f"include/environments/{original.name}.yaml",
                    "name",
                    f"its drill would be {name} in {region}: {found}",
                    "a name of at most 17 characters, and a region of AWS",
                    "choose another region, or a shorter name",
                )
            ]
        ) from None


_QUIET = Policies(runbooks=Policy.OFF, scale=Policy.OFF, drift=Policy.OFF, light_checks=0)


def free_network(like: str, taken: Sequence[str]) -> str:
    """A network as large as the original's that overlaps with none that is taken.

    Each original gets another one, by its place among those that are taken, so that two drills do not clash either.

    :raises ValueError: there is none.
    """
    networks = [ipaddress.IPv4Network(one) for one in taken]
    place = list(taken).index(like) if like in taken else 0
    size = ipaddress.IPv4Network(like).prefixlen
    free = (one for one in _POOL.subnets(new_prefix=size) if not any(one.overlaps(other) for other in networks))
    for index, one in enumerate(free):
        if index == place:
            return str(one)
    raise ValueError(f"{_POOL} has no free /{size} beside {', '.join(taken)}")
