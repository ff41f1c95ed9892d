"""A drill's environment is the original's under another name, network and region, and clashes with nobody's."""

from __future__ import annotations

import ipaddress
from itertools import combinations

import pytest
from slipway.catalog.components import load_components
from slipway.catalog.environments import environment_names, load_environment, load_platform
from slipway.catalog.render import overlay_folder
from slipway.model.drills import drill_name, free_network, original_of
from slipway.model.errors import ConfigurationError
from slipway.model.platform import Platform

REGION = "eu-central-1"


@pytest.mark.parametrize("name", environment_names())
def test_the_same_platform_elsewhere(name: str) -> None:
    original, drill = load_environment(name), load_platform(drill_name(name), REGION).environment
    assert (drill.name, drill.regions) == (f"{name}-dr", [REGION])
    same = {"account", "node_groups", "addons", "access", "budget", "images"}
    assert drill.model_dump(include=same) == original.model_dump(include=same)
    assert drill.cluster.version == original.cluster.version
    assert drill.network.zone_count == original.network.zone_count
    # The drill ends by itself: nothing protects it, and nothing acts on it.
    assert not drill.protected
    assert not drill.cluster.deletion_protection
    assert not drill.policies.rollback_on_failed_gate
    assert drill.notifications.channels == []
    assert Platform(drill, REGION).bucket != Platform(original, REGION).bucket


@pytest.mark.parametrize("name", environment_names())
def test_what_is_rendered_is_the_originals(name: str) -> None:
    original, drill = load_platform(name), load_platform(drill_name(name), REGION)
    for component in load_components().values():
        assert overlay_folder(component, drill) == overlay_folder(component, original), component.name


def test_networks_of_environments_and_drills_never_overlap() -> None:
    names = environment_names()
    networks = [load_environment(name).network.cidr for name in names]
    networks += [load_environment(drill_name(name)).network.cidr for name in names]
    for one, other in combinations(map(ipaddress.IPv4Network, networks), 2):
        assert not one.overlaps(other)


def test_a_network_is_free_as_large_and_the_same_every_time() -> None:
    taken = ["10.128.0.0/16", "10.20.0.0/18", "10.129.0.0/20"]
    found = free_network("10.20.0.0/18", taken)
    assert found == free_network("10.20.0.0/18", taken)
    assert ipaddress.IPv4Network(found).prefixlen == 18
    assert not any(ipaddress.IPv4Network(found).overlaps(ipaddress.IPv4Network(one)) for one in taken)


def test_only_what_has_no_file_is_a_drill() -> None:
    assert original_of("dev-dr", ["dev", "prod"]) == "dev"
    assert original_of("dev-dr", ["dev", "dev-dr"]) is None
    assert original_of("dev", ["dev"]) is None
    assert original_of("lost-dr", ["dev"]) is None
    with pytest.raises(ConfigurationError, match="no environment 'lost-dr'"):
        load_environment("lost-dr")


def test_its_region_is_the_named_one_or_the_last() -> None:
    assert load_environment("prod-dr").regions == [load_environment("prod").regions[-1]]
    assert load_platform("dev-dr", REGION).region == REGION
    with pytest.raises(ConfigurationError, match="regions"):
        load_platform("dev", REGION)
