"""What is asked of Prometheus, what its rules record and what the rehearsal serves are the same series."""

from __future__ import annotations

import pytest
import yaml
from slipway.catalog.paths import include_dir
from slipway.decisions.series import SERIES, Objective, SeriesName, budget_expression, budget_rules, rules, selector

from rehearsal.kubernetes.faults.model import Faults
from rehearsal.kubernetes.prometheus.matching import QueryError, parse
from rehearsal.kubernetes.prometheus.synthetic import State, all_series

ALERTS = include_dir() / "manifests" / "base-services" / "prometheus" / "alerts"


def test_rule_file_is_the_tables() -> None:
    assert (ALERTS / "slipway.rules.yaml").read_text() == rules(), "run `make docs`"
    recorded = [rule["record"] for group in yaml.safe_load(rules())["groups"] for rule in group["rules"]]
    assert sorted(recorded) == sorted(one.name.value for one in SERIES)
    assert {one.name for one in SERIES} == set(SeriesName) - {SeriesName.ERROR_BUDGET}


def test_rehearsal_serves_every_series_with_its_labels() -> None:
    state = State(
        nodes={"a": (2.0, 8e9, "primary")},
        workloads={("apps", "web"): [1.0, 1e9]},
        owners={("apps", "web-1"): "web"},
        components={"web"},
        jobs={("apps", "web")},
        claims={("data", "data-0"): 1e9},
        consumers=True,
    )
    state.node_requests["a"] = [1.0, 1e9, 3.0]
    faults = Faults()
    faults.add(faults.new("error-budget-spent", {}, 0.0))
    served = {one.name: {name for name, _ in one.labels} for one in all_series(state, faults, 1e9)}
    wanted = {one.name.value: set(one.labels) for one in SERIES} | {
        "slipway:error_budget:remaining_ratio": {"component", "slo"}
    }
    assert served == wanted


def test_error_budget_is_the_workbooks() -> None:
    slo = Objective("web", "requests succeed", 99.5, "30d", "sum(rate(good[$window]))", "sum(rate(all[$window]))")
    assert budget_expression(slo) == "1 - (1 - (sum(rate(good[30d]))) / (sum(rate(all[30d])))) / 0.005"
    (rule,) = yaml.safe_load(budget_rules([slo]))["groups"][0]["rules"]
    assert rule["labels"] == {"component": "web", "slo": "requests succeed"}


@pytest.mark.parametrize(
    ("query", "labels", "picked"),
    [
        (selector([SeriesName.NODE_CPU]), {"node": "a"}, True),
        (selector([SeriesName.NODE_CPU], {"node": "a"}), {"node": "a"}, True),
        (selector([SeriesName.NODE_CPU], {"node": 'quo"te'}), {"node": 'quo"te'}, True),
        (selector([SeriesName.NODE_CPU, SeriesName.NODE_MEMORY]), {"node": "a"}, True),
        (selector([SeriesName.NODE_MEMORY]), {"node": "a"}, False),
        ('slipway:node_cpu:ratio{node!="a"}', {"node": "a"}, False),
        ('slipway:node_cpu:ratio{node=~"a|b",zone=""}', {"node": "b"}, True),
        ('slipway:node_cpu:ratio{node!~"a.*"}', {"node": "ab"}, False),
    ],
)
def test_selectors_mean_the_same_to_both(query: str, labels: dict[str, str], picked: bool) -> None:
    assert parse(query).picks("slipway:node_cpu:ratio", labels) is picked


@pytest.mark.parametrize(
    ("query", "kind"),
    [
        ("sum(up)", "execution"),
        ("up[5m]", "execution"),
        ("up > 0", "execution"),
        ("", "bad_data"),
        ("{a~b}", "bad_data"),
    ],
)
def test_what_is_no_plain_selector_is_refused_as_prometheus_does(query: str, kind: str) -> None:
    with pytest.raises(QueryError) as refused:
        parse(query)
    assert refused.value.kind == kind
