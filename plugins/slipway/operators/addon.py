"""EKS add-ons, in two phases: networking before the first node, the rest once there are nodes to run on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from slipway.decisions.addons import AddonState, WantedAddon, choose_version, differences, judge
from slipway.decisions.parameters import Facts
from slipway.hooks.aws import AwsError
from slipway.hooks.eks import EksHook, is_in_use
from slipway.model.environment import Addon, AddonPhase
from slipway.model.errors import ConfigurationError, ErrorClass, Problem, RefusedError, StuckError
from slipway.model.platform import Platform, Stack
from slipway.model.records import Action, Change
from slipway.operators.cluster import issues, read_outputs, require_cluster
from slipway.operators.converge import ConvergingOperator, Progress
from slipway.operators.links import ClusterLink
from slipway.triggers.eks import ADDON_MOVING, AddonsTrigger

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context

# Images and leader elections take a minute or two; EKS itself calls an add-on DEGRADED after about twenty.
LIMIT = timedelta(minutes=25)
# How often add-ons are compared anew because somebody else changed one meanwhile.
LOOKS = 5


class AddonsOperator(ConvergingOperator):
    """The add-ons of one phase, all at once.

    The phase after the nodes also waits for the add-ons of the phase before them, which could not be up without.

    :param phase: which ones to install and update.
    """

    operator_extra_links = (ClusterLink(),)

    def __init__(self, *, phase: AddonPhase, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.phase = phase

    def plan(self, context: Context, platform: Platform) -> Sequence[Change]:
        """Compare versions, configuration and roles."""
        names = platform.addons(self.phase)
        hook = EksHook.of(platform.region)
        cluster = hook.find_cluster(platform.cluster_name)
        facts = read_outputs(platform, (Stack.IDENTITY,))
        if cluster is None or not facts.outputs:
            return [Change(action=Action.CREATE, resource=_label(platform, name)) for name in names]
        return [self._planned(hook, platform, cluster["version"], facts, name) for name in names]

    def converge(self, context: Context, platform: Platform, progress: Progress) -> Sequence[Change]:
        """Install or update what differs, and wait until it is there."""
        ClusterLink.show(self, context, platform.region, cluster=platform.cluster_name)
        hook = EksHook.of(platform.region)
        cluster = require_cluster(hook, platform)
        facts = read_outputs(platform, (Stack.IDENTITY,))
        for _ in range(LOOKS):
            names = platform.addons(self.phase)
            moving = [name for name in names if self._ensure(hook, platform, cluster["version"], facts, name, progress)]
            self._wait_until_there(hook, platform, progress)
            # What was moving, by somebody else's hand, and has settled meanwhile is still to be compared.
            if not moving:
                break
        return [] if progress.changes else [Change(action=Action.KEEP, resource=f"add-ons {self.phase.value}")]

    def _planned(self, hook: EksHook, platform: Platform, version: str, facts: Facts, name: str) -> Change:
        label = _label(platform, name)
        live = hook.find_addon(platform.cluster_name, name)
        wanted = self._wanted(hook, platform, version, facts, name, live)
        if live is None:
            return Change(action=Action.CREATE, resource=label, note=wanted.version)
        _require_ours(platform, name, live)
        fields = differences(live, wanted, _identities(hook, platform, live))
        note = f"{live['addonVersion']} -> {wanted.version}" if "addonVersion" in fields else ""
        return Change(action=Action.CHANGE if fields else Action.KEEP, resource=label, fields=fields, note=note)

    def _ensure(
        self, hook: EksHook, platform: Platform, version: str, facts: Facts, name: str, progress: Progress
    ) -> bool:
        """Ask for what is missing or differs; whether the add-on was moving, so that nothing could be asked for."""
        live = hook.find_addon(platform.cluster_name, name)
        label = _label(platform, name)
        wanted = self._wanted(hook, platform, version, facts, name, live)
        if live is None:
            _unless_in_use(hook.conn.create_addon, clusterName=platform.cluster_name, **wanted.request(platform.tags))
            progress.done[name] = wanted.version
            progress.changes.append(Change(action=Action.CREATE, resource=label, note=wanted.version))
            return False
        _require_ours(platform, name, live)
        fields = differences(live, wanted, _identities(hook, platform, live))
        failed = live["status"] in {"CREATE_FAILED", "UPDATE_FAILED"}
        if live["status"] in {"CREATING", "UPDATING", "DELETING"}:
            return name not in progress.done
        if not (fields or failed):
            return False
        if progress.done.get(name) == wanted.version:
            # Tried in this try; the wait that follows says what became of it.
            return False
        _unless_in_use(hook.conn.update_addon, clusterName=platform.cluster_name, **wanted.update())
        progress.done[name] = wanted.version
        progress.changes.append(Change(action=Action.CHANGE, resource=label, fields=fields, note=wanted.version))
        return False

    def _wait_until_there(self, hook: EksHook, platform: Platform, progress: Progress) -> None:
        """Return once every add-on of this phase and of those before it is good enough."""
        has_nodes = self.phase is AddonPhase.AFTER_NODES
        names = [*platform.addons(AddonPhase.BEFORE_NODES)]
        names += platform.addons(AddonPhase.AFTER_NODES) if has_nodes else []
        found = {name: hook.find_addon(platform.cluster_name, name) for name in names}
        states = {name: judge(live["status"] if live else None, has_nodes=has_nodes) for name, live in found.items()}
        for name, state in states.items():
            live = found[name]
            if state is AddonState.FAILED and live is not None:
                raise StuckError(_label(platform, name), live["status"], issues(live), "mend it, then clear this task")
            if state is AddonState.ABSENT:
                raise StuckError(_label(platform, name), "absent", [], "clear the task that installs it")
        if all(state is AddonState.READY for state in states.values()):
            return
        slow = [name for name, state in states.items() if state is AddonState.WAIT]
        for name in slow:
            self.log.info("%s is %s: %s", name, (found[name] or {})["status"], "; ".join(issues(found[name] or {})))
        trigger = AddonsTrigger(platform.region, platform.cluster_name, slow, sorted(ADDON_MOVING))
        self.wait_for(
            progress,
            f"add-ons of {platform.cluster_name}",
            trigger,
            LIMIT,
            mend=f"look at the pods of {', '.join(slow)} in kube-system, mend them, then clear this task",
        )

    def _wanted(
        self, hook: EksHook, platform: Platform, version: str, facts: Facts, name: str, live: Mapping[str, Any] | None
    ) -> WantedAddon:
        spec: Addon = platform.addon(name)
        offered = hook.addon_versions(name, version)
        try:
            chosen = choose_version(name, spec, offered, str(live["addonVersion"]) if live else None)
        except ValueError as error:
            raise ConfigurationError(
                [
                    Problem(
                        where=f"include/environments/{platform.environment.name}.yaml",
                        field=f"addons.{name}.version",
                        found=str(error),
                        allowed="default, or a version that EKS offers",
                        mend="write default or one of these",
                    )
                ]
            ) from error
        role = facts.output(platform, Stack.IDENTITY, spec.role) if spec.role else None
        return WantedAddon(name, chosen, spec.configuration, spec.service_account, role)


def _identities(hook: EksHook, platform: Platform, live: Mapping[str, Any]) -> list[dict[str, Any]]:
    arns = live.get("podIdentityAssociations") or []
    return [
        hook.conn.describe_pod_identity_association(
            clusterName=platform.cluster_name, associationId=arn.rsplit("/", 1)[-1]
        )["association"]
        for arn in arns
    ]


def _unless_in_use(call: Any, **arguments: Any) -> None:
    """Make a request; when an earlier one is still at work, the next look tells what became of it."""
    try:
        call(**arguments)
    except AwsError as error:
        if not is_in_use(error):
            raise


def _require_ours(platform: Platform, name: str, live: Mapping[str, Any]) -> None:
    tags = dict(live.get("tags") or {})
    if platform.is_ours(tags):
        return
    raise RefusedError(
        Problem(
            where=_label(platform, name),
            field="tags",
            found=f"an add-on with tags {tags or 'none'}",
            allowed="no such add-on, or one that carries this platform's slipway:platform tag",
            mend="delete the add-on with preserve, or tag it as this platform's, then clear this task",
        ),
        ErrorClass.FOREIGN,
    )


def _label(platform: Platform, name: str) -> str:
    return f"AWS::EKS::Addon {platform.cluster_name}/{name}"
