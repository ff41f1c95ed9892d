"""A disaster recovery drill's own steps: what it will do and cost, its secrets, the comparison, the report."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException

from slipway.catalog.components import load_components
from slipway.catalog.environments import environment_names, load_platform
from slipway.catalog.render import render_all
from slipway.decisions.backups import backups
from slipway.decisions.drill import body, compare, cost
from slipway.decisions.estimate import estimate, total
from slipway.decisions.restore import Choice, choose, claims_of
from slipway.hooks.aws import explained
from slipway.hooks.drill import facts
from slipway.hooks.eks import EksHook
from slipway.hooks.kubernetes import ClusterAbsent
from slipway.hooks.kubernetes_async import KubernetesApiError
from slipway.hooks.price_list import PriceListHook
from slipway.hooks.reports import ReportsHook
from slipway.hooks.secrets import SecretsHook
from slipway.model.component import Component
from slipway.model.drills import drill_name
from slipway.model.errors import Problem, RefusedError
from slipway.model.platform import Platform
from slipway.model.records import Action, Change
from slipway.model.report import Missing, Report
from slipway.model.restore import DrillBody, Step, span
from slipway.operators.approval import ApproveOperator
from slipway.operators.backup import look
from slipway.operators.base import FINAL_ERRORS, is_plan, platform_of
from slipway.operators.report import started_at
from slipway.operators.restore import wanted_components

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context

SURVEY, ORDER, COMPARE = "survey", "order", "compare"
# In the order in which they happen; each a task of the drill.
STEPS = ("rebuild", "restore", "prove", "compare", "take_down")
_PRICED_ZONES = "abc"


def drill_of(context: Context) -> Platform:
    """The platform that the drill rebuilds."""
    return load_platform(drill_name(context["params"]["environment"]), context["params"].get("to_region") or None)


def ordered_at(context: Context) -> datetime:
    """When the rebuild was ordered: the approval, or the start of a run that needed none."""
    answer = context["ti"].xcom_pull("approve")
    if answer and answer.get("at"):
        return datetime.fromisoformat(answer["at"])
    return started_at(context)


class SurveyDrillOperator(BaseOperator):
    """Says what would be rebuilt, where, of which backups, and what that costs. Changes nothing.

    :raises AirflowFailException: there is no backup, or an environment has the drill's name.
    """

    ui_color = "#e0e7ff"

    def execute(self, context: Context) -> dict[str, Any]:
        """Look and price."""
        try:
            with explained():
                return self._survey(context)
        except FINAL_ERRORS as error:
            raise AirflowFailException(str(error)) from error

    def _survey(self, context: Context) -> dict[str, Any]:
        original, hours, now = platform_of(context), float(context["params"].get("hours") or 4), datetime.now(UTC)
        name = drill_name(original.environment.name)
        if name in environment_names():
            raise RefusedError(
                Problem(
                    f"include/environments/{name}.yaml",
                    "",
                    "an environment with the name that the drill would use, and take down at its end",
                    f"no environment named {name}",
                    "rename that environment",
                )
            )
        drill = drill_of(context)
        choices, refused = self._choices(context, original)
        if not choices:
            raise AirflowFailException(f"Nothing to restore, so nothing to prove: {refused}. Run platform_backup first")
        known = load_components()
        disabled = drill.environment.components.disabled
        rendered = render_all([one for one in known.values() if one.name not in disabled], drill)
        zones = [f"{drill.region}{letter}" for letter in _PRICED_ZONES[: drill.environment.network.zone_count]]
        manifests = [item for _, some in rendered for item in some]
        lines = estimate(drill, zones, manifests, PriceListHook(drill).table(), extended=False)
        usd = cost(lines, hours)
        notes = []
        if drill.region == original.region:
            notes.append("**Same region as the original**: the loss of a region is not rehearsed")
        if EksHook.of(drill.region).find_cluster(drill.cluster_name) is not None:
            notes.append(f"{drill.name} is there already, from a drill that was broken off: this one goes on with it")
        text = body(
            f"{original.name} in {original.region}",
            f"{drill.name} in {drill.region}",
            drill.environment.network.cidr,
            usd,
            hours,
            total(lines),
            choices,
            refused,
            notes,
            now,
        )
        self.log.info("%s", text)
        return {
            "environment": drill.environment.name,
            "region": drill.region,
            "source": original.environment.name,
            "source_region": original.region,
            "components": [one.component for one in choices],
            "choices": [one.model_dump(mode="json") for one in choices],
            "oldest": min(one.at for one in choices).isoformat(),
            "usd": usd,
            "body": text,
        }

    @staticmethod
    def _choices(context: Context, original: Platform) -> tuple[list[Choice], dict[str, str]]:
        found = backups(look(original).resources)
        choices: list[Choice] = []
        refused: dict[str, str] = {}
        components = wanted_components(context["params"].get("components"), original)
        for one, manifests in render_all(components, original):
            try:
                choices.append(choose(one, claims_of(manifests), found, None))
            except LookupError as why:
                refused[one.name] = str(why)
        return choices, refused


class ApproveDrillOperator(ApproveOperator):
    """Asks a person where the original is protected; elsewhere the drill goes on by itself, and says what it costs."""

    def execute(self, context: Context) -> Any:
        """Ask, or go on."""
        try:
            protected = platform_of(context).environment.protected
        except FINAL_ERRORS as error:
            raise AirflowFailException(str(error)) from error
        if protected or is_plan(context):
            return super().execute(context)
        self.log.warning("Not asked: the environment is not protected.\n%s", self.body)
        return None


class OrderDrillOperator(BaseOperator):
    """Begins the drill: gives the new platform the secrets that the restored data was made with.

    Returns when the rebuild was ordered, from which the time to recover counts.
    """

    ui_color = "#fde68a"

    def execute(self, context: Context) -> dict[str, Any]:
        """Copy the secrets of components that are restored."""
        try:
            original, drill = platform_of(context), drill_of(context)
            changes = self._copy(original, drill, load_components().values())
        except FINAL_ERRORS as error:
            raise AirflowFailException(str(error)) from error
        for change in changes:
            self.log.info("%s", change)
        return {"at": ordered_at(context).isoformat(), "secrets": len(changes)}

    @staticmethod
    def _copy(original: Platform, drill: Platform, components: Any) -> list[Change]:
        source, target = SecretsHook(original), SecretsHook(drill)
        changes = []
        for component in components:
            for secret in component.spec.secrets:
                values, _ = source.plan(component, secret)
                name = target.secret_id(component, secret)
                if values is None:
                    note = "the original has none that is complete; a new one is generated"
                    changes.append(
                        Change(action=Action.KEEP, resource=f"AWS::SecretsManager::Secret {name}", note=note)
                    )
                else:
                    changes.append(target.adopt(component, secret, values))
        return changes


class CompareDrillOperator(BaseOperator):
    """Compares what was rebuilt with the original, and measures: time to recover, age of the restored data."""

    ui_color = "#bbf7d0"

    def execute(self, context: Context) -> dict[str, Any]:
        """Read both, compare.

        :raises AirflowFailException: the drill's own cluster cannot be read.
        """
        surveyed = context["ti"].xcom_pull(SURVEY)
        now = datetime.now(UTC)
        try:
            original, drill = platform_of(context), drill_of(context)
            names = _enabled(original)
            mine = facts(drill, names)
            try:
                theirs = facts(original, names)
            except (ClusterAbsent, KubernetesApiError) as error:
                self.log.warning("The original cannot be compared with: %s", error)
                theirs = None
        except FINAL_ERRORS as error:
            raise AirflowFailException(str(error)) from error
        choices = [Choice.model_validate(one) for one in surveyed["choices"]]
        restored = {source.claim: source.snapshot for choice in choices for source in choice.sources}
        found = compare(theirs, mine, restored)
        for line in found.same:
            self.log.info("same       %s", line)
        for line in found.differences:
            self.log.warning("different  %s", line)
        ordered = ordered_at(context)
        oldest = datetime.fromisoformat(surveyed["oldest"])
        return {
            "same": found.same,
            "differences": found.differences,
            "rto_seconds": (now - ordered).total_seconds(),
            "rpo_seconds": (ordered - oldest).total_seconds(),
        }


def _enabled(platform: Platform) -> Sequence[str]:
    disabled = platform.environment.components.disabled
    known: dict[str, Component] = dict(load_components())
    return [name for name in known if name not in disabled]


class ReportDrillOperator(BaseOperator):
    """Says how the drill went, in the original's bucket, which outlives it; fails unless every step ended well."""

    ui_color = "#e0e7ff"

    def execute(self, context: Context) -> dict[str, Any]:
        """Report.

        :raises AirflowFailException: a step failed.
        """
        ti, run = context["ti"], context["dag_run"]
        states = (ti.get_task_states(dag_id=run.dag_id, run_ids=[run.run_id]) or {}).get(run.run_id) or {}
        if states.get(ORDER) != "success":
            raise AirflowFailException("The drill did not begin: a task before it failed; see there")
        steps = [Step(name=name, state=str(states.get(name))) for name in STEPS]
        failed = [one.name for one in steps if one.state != "success"]
        surveyed, compared = ti.xcom_pull(SURVEY), ti.xcom_pull(COMPARE) or {}
        original = platform_of(context)
        found = DrillBody(
            original=f"{original.name} in {original.region}",
            drill=f"slipway-{surveyed['environment']} in {surveyed['region']}",
            ordered=ordered_at(context),
            steps=steps,
            usd=surveyed["usd"],
            **{key: compared[key] for key in ("same", "differences", "rto_seconds", "rpo_seconds") if key in compared},
        )
        now = datetime.now(UTC)
        outcome = f"Failed at {', '.join(failed)}" if failed else "Recovered"
        summary = (
            f"{outcome}; time to recover {span(found.rto_seconds)}, data {span(found.rpo_seconds)} old, "
            f"{len(found.differences)} differences"
        )
        report = Report[DrillBody](
            kind="dr-drill",
            environment=original.environment.name,
            region=original.region,
            run_id=run.run_id,
            started=started_at(context),
            ended=now,
            verdict="failed" if failed else "recovered",
            summary=summary,
            body=found,
            missing=[] if compared else [Missing(part="comparison", reason="the drill did not come so far")],
        )
        markdown = found.markdown(summary)
        self.log.info("%s", markdown)
        reference = ReportsHook(original).write(report, markdown).as_xcom()
        ti.xcom_push(key="report", value=reference)
        if failed:
            raise AirflowFailException(
                f"{summary}. If take_down failed: run platform_teardown with environment={surveyed['environment']}, "
                f"region={surveyed['region']} and keep=[] until its sweep finds nothing"
            )
        return reference
