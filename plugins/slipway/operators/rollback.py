"""Goes back to a kept release of components, through the same apply, prune and wait as a deploy."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from slipway.catalog.components import load_components
from slipway.decisions.rollback import Target, body, choose, differences, warnings
from slipway.hooks.kubernetes import EksAccess
from slipway.hooks.kubernetes_async import KubernetesApi, connect
from slipway.hooks.releases import Releases
from slipway.model.component import Component
from slipway.model.platform import Platform
from slipway.operators.base import FINAL_ERRORS, platform_of
from slipway.operators.component import DeployComponentOperator, Manifests

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context

SURVEY = "survey"


class SurveyRollbackOperator(BaseOperator):
    """Chooses a release for every component asked for, and shows what going back changes. Changes nothing.

    The choice is made once and kept with the run: a retried task must not take a step back for the next step.
    """

    ui_color = "#e0e7ff"

    def execute(self, context: Context) -> dict[str, Any]:
        """Choose and compare.

        :raises AirflowFailException: nothing can go back.
        """
        params = context["params"]
        try:
            platform = platform_of(context)
            targets, refused = asyncio.run(
                self._choose(platform, chosen(params.get("components"), params.get("stages")), params.get("release"))
            )
        except FINAL_ERRORS as error:
            raise AirflowFailException(str(error)) from error
        text = body(targets, refused)
        self.log.info("%s", text)
        if not targets:
            raise AirflowFailException(f"Nothing to go back to:\n{text}")
        return {"targets": {one.component: one.number for one in targets}, "body": text}

    async def _choose(
        self, platform: Platform, components: Sequence[Component], asked: int | None
    ) -> tuple[list[Target], dict[str, str]]:
        access = EksAccess.of(platform)
        endpoint = access.endpoint()
        targets, refused = [], {}
        async with connect(access, endpoint) as api:
            for one in components:
                try:
                    targets.append(await target_of(api, one, asked))
                except LookupError as why:
                    refused[one.name] = str(why)
        return targets, refused


async def target_of(api: KubernetesApi, component: Component, asked: int | None) -> Target:
    """One component's way back.

    :raises LookupError: there is none.
    """
    store = Releases(api)
    releases = await store.list_releases(component.name)
    to = choose(releases, asked)
    now = await store.get_release(component.name, releases[-1].number)
    then = await store.get_release(component.name, to.number)
    if now is None or then is None:
        raise LookupError(f"the record of release {to.number} went away meanwhile")
    return Target(
        component=component.name,
        current=releases[-1].number,
        number=to.number,
        changes=differences(now[1], then[1]),
        warnings=warnings(component, now[1], then[1]),
    )


def chosen(names: Sequence[str] | None, stages: Sequence[str] | None) -> list[Component]:
    """Components by name or stage, all of them when neither is said; in deploy order.

    :raises AirflowFailException: an unknown name.
    """
    known = load_components()
    if unknown := sorted(set(names or []) - set(known)):
        raise AirflowFailException(f"Unknown components {', '.join(unknown)}; there are {', '.join(known)}")
    return [
        one
        for one in known.values()
        if (not names and not stages) or one.name in (names or []) or one.stage.value in (stages or [])
    ]


class RollbackComponentOperator(DeployComponentOperator):
    """Applies the release that the survey chose; skipped when it chose none for this component."""

    ui_color = "#fef3c7"

    def execute(self, context: Context) -> Any:
        """Apply, or skip."""
        if self._number(context) is None:
            raise AirflowSkipException(f"{self.component.name} is left as it is")
        return super().execute(context)

    def wanted(self, context: Context, platform: Platform) -> Manifests:
        """Manifests of the chosen release, from its record."""
        number = self._number(context)
        if number is None:
            return []
        found = asyncio.run(self._read(platform, number))
        if found is None:
            raise AirflowFailException(f"Release {number} of {self.component.name} is not kept any more")
        return found

    async def _read(self, platform: Platform, number: int) -> Manifests | None:
        access = EksAccess.of(platform)
        endpoint = access.endpoint()
        async with connect(access, endpoint) as api:
            found = await Releases(api).get_release(self.component.name, number)
        return found[1] if found else None

    def _number(self, context: Context) -> int | None:
        surveyed = context["ti"].xcom_pull(SURVEY) or {}
        number = surveyed.get("targets", {}).get(self.component.name)
        return None if number is None else int(number)
