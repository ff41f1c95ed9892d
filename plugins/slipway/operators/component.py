"""Deploys one component: secrets, apply, prune, release record, and a wait that needs no worker."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from slipway.catalog.render import render, to_yaml
from slipway.decisions.inventory import ObjectRef, left_over
from slipway.decisions.readiness import Readiness, Verdict, awaited, judge
from slipway.model.component import Component
from slipway.model.errors import ErrorClass, SlipwayError
from slipway.model.platform import Platform
from slipway.model.records import Action, Change, Release, ReleaseState
from slipway.operators.base import PlatformOperator, platform_of
from slipway.operators.failures import FinalFailure

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context

    from slipway.hooks.apply import Applied
    from slipway.hooks.kubernetes import ClusterEndpoint, EksAccess

# The trigger judges the deadline itself; the framework's own timeout is only there for a triggerer that hangs.
TRIGGER_MARGIN = timedelta(minutes=2)
Manifests = list[dict[str, Any]]


def skip_if_disabled(component: Component, platform: Platform) -> None:
    """Skip a task of a component that the environment leaves out.

    :raises AirflowSkipException: it does.
    """
    environment = platform.environment
    if component.name in environment.components.disabled:
        raise AirflowSkipException(f"{component.name} is disabled in include/environments/{environment.name}.yaml")


class DeployComponentOperator(PlatformOperator):
    """Makes a component what its manifests say, and waits until it is ready.

    Returns the changes. Running it again changes nothing; deleted or edited objects are repaired.

    :param component: the component; its stage decides whether the run wants it.
    """

    template_fields: Sequence[str] = ("manifests",)
    template_fields_renderers = {"manifests": "yaml"}
    ui_color = "#dbeafe"

    def __init__(self, *, component: Component, **kwargs: Any) -> None:
        super().__init__(stage=component.stage, **kwargs)
        self.component = component
        self.manifests = ""

    def render_template_fields(self, context: Context, jinja_env: Any = None) -> None:
        """Show what is applied in this run's environment. It is YAML already, so Jinja has no part in it."""
        try:
            self.manifests = to_yaml(self.wanted(context, platform_of(context)))
        except SlipwayError as error:
            # Raised again, properly, by execute.
            self.manifests = f"# {error}"

    def wanted(self, context: Context, platform: Platform) -> Manifests:
        """Manifests to apply: what is in Git."""
        return render(self.component, platform)

    def plan(self, context: Context, platform: Platform) -> Sequence[Change]:
        """What would be created, changed or deleted, by the API server's own dry run."""
        from slipway.hooks.certificates import trusting
        from slipway.hooks.kubernetes import ClusterAbsent, EksAccess
        from slipway.hooks.secrets import SecretsHook, copies

        skip_if_disabled(self.component, platform)
        objects = self.wanted(context, platform)
        wanted = self.component.spec.secrets
        hook = SecretsHook(platform) if wanted else None
        planned = [(secret, *hook.plan(self.component, secret)) for secret in wanted] if hook else []
        objects = trusting(objects, {secret.name: values or {} for secret, values, _ in planned})
        changes = [change for _, _, change in planned]
        known = [
            one for secret, values, _ in planned if values is not None for one in copies(self.component, secret, values)
        ]
        unknown = [one for secret, values, _ in planned if values is None for one in copies(self.component, secret, {})]
        changes += [_created(item) for item in unknown]
        access = EksAccess.of(platform)
        try:
            endpoint = access.endpoint()
        except ClusterAbsent as absent:
            self.log.info("%s: everything would be created", absent)
            return [*changes, *(_created(item) for item in [*known, *objects])]
        return [*changes, *asyncio.run(self._dry_run(access, endpoint, [*known, *objects], unknown))]

    async def _dry_run(
        self, access: EksAccess, endpoint: ClusterEndpoint, objects: Manifests, unknown: Manifests
    ) -> list[Change]:
        from slipway.hooks.apply import Applier
        from slipway.hooks.kubernetes_async import connect
        from slipway.hooks.releases import Releases, unpruned

        name = self.component.name
        async with connect(access, endpoint) as api:
            applier = Applier(api, dry_run=True)
            applied = await _final(applier.apply(objects))
            releases = await Releases(api).list_releases(name)
            wanted = [*(item.ref for item in applied), *map(ObjectRef.of, unknown)]
            pruned = await applier.prune(name, left_over(unpruned(releases), wanted))
        return [*(item.change for item in applied), *pruned]

    def act(self, context: Context, platform: Platform) -> Any:
        """Apply, and defer until ready unless that is already so."""
        from slipway.hooks.kubernetes import EksAccess

        skip_if_disabled(self.component, platform)
        objects = self.wanted(context, platform)
        access = EksAccess.of(platform)
        endpoint = access.endpoint()
        since = datetime.now(UTC)
        changes, release, verdict = put(
            self.component, platform, objects, (access, endpoint), context["dag_run"].run_id, since
        )
        reported = self.report(changes)
        if verdict.state is Readiness.READY:
            self.log.info("%s is ready, release %d", self.component.name, release.number)
            return reported
        return self._wait(endpoint, release, since, reported)

    def _wait(self, endpoint: ClusterEndpoint, release: Release, since: datetime, reported: list[Any]) -> None:
        from slipway.triggers.component import ComponentReadyTrigger

        timeout = self.component.spec.timeout
        refs = awaited(ObjectRef.parse(key) for key in release.objects)
        self.defer(
            trigger=ComponentReadyTrigger(
                subject=self.component.name,
                endpoint=endpoint.as_dict(),
                objects=[ref.key for ref in refs],
                since=since.isoformat(),
                deadline=(since + timeout).isoformat(),
                memory={"reported": reported, "number": release.number, "endpoint": endpoint.as_dict()},
            ),
            method_name="resume",
            timeout=timeout + TRIGGER_MARGIN,
        )

    def resume(self, context: Context, event: dict[str, Any]) -> list[Any]:
        """Take the trigger's verdict.

        :raises AirflowFailException: not ready, with the reasons; trying again by itself would only wait again.
        """
        if event["state"] != Readiness.READY.value:
            reasons = "".join(f"\n  - {reason}" for reason in event["reasons"])
            namespace = self.component.spec.namespace
            raise FinalFailure(
                f"{self.component.name} did not become ready within {self.component.spec.timeout}:{reasons}\n"
                f"Look closer with kubectl -n {namespace} get pods -l slipway.dev/component={self.component.name} and "
                f"kubectl -n {namespace} get events; mend the cause and clear this task",
                ErrorClass.STUCK,
                event["reasons"],
            )
        number = event["memory"]["number"]
        asyncio.run(self._mark_ready(event["memory"]["endpoint"], number))
        self.log.info("%s is ready, release %d", self.component.name, number)
        reported: list[Any] = event["memory"]["reported"]
        return reported

    async def _mark_ready(self, where: dict[str, str], number: int) -> None:
        from slipway.hooks.kubernetes import ClusterEndpoint, EksAccess
        from slipway.hooks.kubernetes_async import connect
        from slipway.hooks.releases import Releases

        endpoint = ClusterEndpoint(**where)
        async with connect(EksAccess.to(endpoint), endpoint) as api:
            store = Releases(api)
            found = await store.get_release(self.component.name, number)
            if found:
                await store.advance(found[0], ReleaseState.READY)


def put(
    component: Component,
    platform: Platform,
    objects: Manifests,
    cluster: tuple[EksAccess, ClusterEndpoint],
    run_id: str,
    now: datetime,
) -> tuple[list[Change], Release, Verdict]:
    """Apply manifests as a component's release: secrets, objects, pruning, record; and see whether it is ready.

    :param cluster: the way in, and where it is.
    """
    from slipway.hooks.certificates import trusting
    from slipway.hooks.secrets import SecretsHook, copies

    wanted = component.spec.secrets
    hook = SecretsHook(platform) if wanted else None
    ensured = [(secret, *hook.ensure(component, secret)) for secret in wanted] if hook else []
    objects = trusting(objects, {secret.name: values for secret, values, _ in ensured})
    made = [one for secret, values, _ in ensured for one in copies(component, secret, values)]
    changes, release, verdict = asyncio.run(_put(component, cluster, objects, made, run_id, now))
    return [*(change for _, _, change in ensured), *changes], release, verdict


async def _put(
    component: Component,
    cluster: tuple[EksAccess, ClusterEndpoint],
    objects: Manifests,
    secrets: Manifests,
    run_id: str,
    now: datetime,
) -> tuple[list[Change], Release, Verdict]:
    from slipway.hooks.apply import Applier
    from slipway.hooks.kubernetes_async import connect
    from slipway.hooks.releases import Releases, unpruned
    from slipway.hooks.rollouts import observe

    name = component.name
    refs = [ObjectRef.of(item) for item in [*secrets, *objects]]
    async with connect(*cluster) as api:
        store, applier = Releases(api), Applier(api)
        release = await store.begin(name, objects, refs, run_id, now)
        applied = await _final(applier.apply([*secrets, *objects]))
        earlier = unpruned(await store.list_releases(name))
        pruned = await applier.prune(name, left_over(earlier, [item.ref for item in applied]))
        release = await store.advance(release, ReleaseState.APPLIED)
        verdict = judge(await observe(api, awaited(refs)), now, now + component.spec.timeout, now)
        if verdict.state is Readiness.READY:
            release = await store.advance(release, ReleaseState.READY)
    return [*(item.change for item in applied), *pruned], release, verdict


async def _final(applying: Awaitable[list[Applied]]) -> list[Applied]:
    """Fail without retries where only a person can mend what was refused."""
    from slipway.hooks.apply import ApplyError

    try:
        return await applying
    except ApplyError as error:
        raise (AirflowFailException(str(error)) if error.final else error) from error


def _created(manifest: dict[str, Any]) -> Change:
    return Change(action=Action.CREATE, resource=str(ObjectRef.of(manifest)))
