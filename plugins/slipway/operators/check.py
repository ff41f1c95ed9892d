"""Runs one check of a component as a pod in the cluster, and records what it proved."""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from slipway.catalog.render import image_for, place, render
from slipway.decisions.checks import last_words, main_image, proof_in, without
from slipway.hooks import check_pods
from slipway.hooks.check_secrets import secret_values
from slipway.hooks.kubernetes import ClusterEndpoint, EksAccess
from slipway.hooks.pods import EksKubernetesHook
from slipway.hooks.results import ResultsHook
from slipway.model.component import Check, Component
from slipway.model.errors import SlipwayError
from slipway.model.platform import Platform
from slipway.model.records import CheckResult, CheckState
from slipway.operators.base import FINAL_ERRORS, is_plan, platform_of, skip_unless_selected
from slipway.operators.component import skip_if_disabled

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context

CANNOT_RUN_HERE = 100
START_LIMIT = timedelta(minutes=5)
# The pod's own deadline counts from when a node took it, image pull included.
PULL_ALLOWANCE = timedelta(minutes=2)
LINES_KEPT = 400


class CheckOperator(KubernetesPodOperator):
    """A check passes when its pod ends well *and* its last word is a JSON object that says what was proved.

    Exit code 100 means that the check could not run here: the task is skipped and the result says why. The result is
    recorded however the check ends, and returned.

    :param component: whose check it is.
    :param check: the check.
    """

    ui_color = "#dcfce7"

    def __init__(self, *, component: Component, check: Check, **kwargs: Any) -> None:
        kwargs.setdefault("execution_timeout", check.timeout + START_LIMIT + PULL_ALLOWANCE)
        super().__init__(
            kubernetes_conn_id=None,
            in_cluster=False,
            name=f"check-{component.name}-{check.name}"[:50].rstrip("-"),
            namespace=component.spec.namespace,
            image=check.image,
            cmds=check_pods.command(check),
            labels=check_pods.labels(component),
            service_account_name=check.service_account,
            automount_service_account_token=check.service_account is not None,
            image_pull_policy="IfNotPresent",
            active_deadline_seconds=int((check.timeout + PULL_ALLOWANCE).total_seconds()),
            startup_timeout_seconds=int(START_LIMIT.total_seconds()),
            startup_check_interval_seconds=1,
            skip_on_exit_code=CANNOT_RUN_HERE,
            termination_message_policy="FallbackToLogsOnError",
            on_finish_action="delete_pod",
            durable=True,
            deferrable=True,
            get_logs=True,
            log_events_on_startup=False,
            log_events_on_failure=True,
            log_pod_spec_on_failure=False,
            # False concerns the provider's sidecar; the result is pushed by _record.
            do_xcom_push=False,
            **kwargs,
        )
        self.component = component
        self.check = check
        self._platform: Platform | None = None
        self._endpoint: ClusterEndpoint | None = None
        self._output: deque[str] = deque(maxlen=LINES_KEPT)
        self._hidden: list[str] = []

    def render_template_fields(self, context: Context, jinja_env: Any = None) -> None:
        """Fill in what depends on the run's environment; scripts and values are never taken for Jinja."""
        self._furnish()
        try:
            platform = platform_of(context)
            self.image = self._image(platform)
            self.env_vars = check_pods.environment(self.check, AWS_REGION=platform.region)
            placed: dict[str, Any] = {}
            place(placed, self.component.spec.workload, platform)
            # A check may run beside what it checks, and need not.
            self.tolerations = check_pods.tolerations(placed.get("tolerations", []))
        except SlipwayError:
            # Execute meets the same error and says it.
            self.image = self.check.image

    def _furnish(self) -> None:
        """Set what the pod is made of.

        Not when the DAG is read, which every task does: the client's models are slow to make, and some sixty checks
        of them would take longer than most tasks.
        """
        self.env_vars = check_pods.environment(self.check)
        self.volumes = check_pods.volumes(self.component, self.check)
        self.volume_mounts = check_pods.mounts(self.check)
        self.container_resources = check_pods.resources(self.check)
        self.security_context = check_pods.pod_security(self.check)
        self.container_security_context = check_pods.container_security()
        self.full_pod_spec = check_pods.base_pod()

    def _image(self, platform: Platform) -> str:
        """The check's image as the environment names it: its own, or the component's."""
        named = self.check.image or main_image(self.component, render(self.component, platform))
        return image_for(named, platform)

    def execute(self, context: Context) -> None:
        """Start the pod, or find the one an earlier try started, and defer."""
        skip_unless_selected(context, self.component.stage)
        if is_plan(context):
            raise AirflowSkipException("Plan only: a check needs what it checks to be running")
        try:
            skip_if_disabled(self.component, self._bind(context))
            self.image = self._image(self._bind(context))
        except FINAL_ERRORS as error:
            raise AirflowFailException(str(error)) from error
        try:
            super().execute(context)
        except (AirflowSkipException, AirflowFailException):
            raise
        except Exception as error:
            self._record(context, CheckState.FAILED, f"its pod could not be started: {error}")
            raise

    def trigger_reentry(self, context: Context, event: dict[str, Any]) -> None:
        """Show the output, take the result and record it.

        :raises AirflowFailException: the check failed, or passed without saying what it proved.
        :raises AirflowSkipException: it could not run here.
        """
        self._bind(context)
        try:
            super().trigger_reentry(context, event)
        except AirflowSkipException as skip:
            reason = last_words(self._output) or f"exit code {CANNOT_RUN_HERE}"
            self._record(context, CheckState.SKIPPED, reason)
            raise AirflowSkipException(f"{self.check.name} could not run here: {reason}") from skip
        except Exception as error:
            reason = self._failure(event, error)
            self._record(context, CheckState.FAILED, reason)
            message = f"{self.component.name}/{self.check.name} failed: {reason}"
            if self._ended_by_itself():
                raise AirflowFailException(message) from error
            raise RuntimeError(message) from error
        proof = proof_in(self._output, self.check.name)
        if proof is None:
            reason = (
                f'it ended well without a last line like {{"check":"{self.check.name}", ...}} to say what it proved'
            )
            self._record(context, CheckState.FAILED, reason)
            raise AirflowFailException(f"{self.component.name}/{self.check.name} proved nothing: {reason}")
        if worse := self._regression(context, proof):
            self._record(context, CheckState.FAILED, worse, proof)
            raise AirflowFailException(f"{self.component.name}/{self.check.name} got worse: {worse}")
        self._record(context, CheckState.PASSED, "", proof)

    def _regression(self, context: Context, proof: dict[str, Any]) -> str:
        """What got worse than it may, as a sentence; empty when nothing did, or when this is no benchmark."""
        if not self.check.tolerances:
            return ""
        from slipway.hooks.baselines import BaselinesHook

        baselines = BaselinesHook(self._bind(context))
        try:
            compared = baselines.judge(self.component, self.check, proof, context["dag_run"].run_id)
        except KeyError as missing:
            return f"its result has no {missing}, which has a tolerance in component.yaml"
        for one in compared:
            self.log.info("%s", one)
        worse = [f"{one}, at most {self.check.tolerances[one.metric].percent:g} %" for one in compared if one.regressed]
        begin_anew = f"; if that is meant, begin anew with aws s3 rm {baselines.where(self.component, self.check)}"
        return "; ".join(worse) + begin_anew if worse else ""

    @cached_property
    def hook(self) -> EksKubernetesHook:
        """Our way into the cluster in place of the provider's connection."""
        if self._endpoint is None:
            raise RuntimeError("the check is not bound to a platform yet")
        return EksKubernetesHook(EksAccess.to(self._endpoint), self._endpoint)

    def _refresh_cached_properties(self) -> None:
        """Called by the provider when the API answered 401."""
        self.hook.access.forget_token()
        super()._refresh_cached_properties()  # type: ignore[no-untyped-call]

    def invoke_defer_method(self, last_log_time: Any = None, context: Context | None = None) -> None:
        """Defer as the provider does, to our trigger."""
        from slipway.triggers.check import CheckPodTrigger

        if self._endpoint is None or self.pod is None:
            raise RuntimeError("there is no pod to wait for")
        trigger = CheckPodTrigger(
            endpoint=self._endpoint.as_dict(),
            pod_name=self.pod.metadata.name,
            pod_namespace=self.pod.metadata.namespace,
            trigger_start_time=datetime.now(UTC),
            base_container_name=self.base_container_name,
            poll_interval=self.poll_interval,
            startup_timeout=self.startup_timeout_seconds,
            startup_check_interval=self.startup_check_interval_seconds,
            schedule_timeout=self.schedule_timeout_seconds,
            on_finish_action=self.on_finish_action.value,
            on_kill_action=self.on_kill_action.value,
            last_log_time=last_log_time,
            trigger_kwargs=dict(self.trigger_kwargs or {}),
            log_events_on_startup=False,
        )
        limit = timedelta(seconds=self.active_deadline_seconds or 0) + 2 * START_LIMIT
        self.defer(trigger=trigger, method_name="trigger_reentry", timeout=limit)

    def _bind(self, context: Context) -> Platform:
        if self._platform is None:
            self._platform = platform_of(context)
            self._endpoint = EksAccess.of(self._platform).endpoint()
        return self._platform

    def _write_logs(  # type: ignore[override]
        self, pod: Any, follow: bool = False, since_time: Any = None
    ) -> None:
        """Log what the script printed, and keep it for the result."""
        self._output.clear()
        self._hidden = secret_values(self.client, self.check, pod.metadata.namespace)
        response = self.client.read_namespaced_pod_log(
            name=pod.metadata.name,
            namespace=pod.metadata.namespace,
            container=self.base_container_name,
            follow=follow,
            _preload_content=False,
        )
        for raw in response:
            line = without(self._hidden, raw.decode("utf-8", errors="backslashreplace").rstrip("\n"))
            self._output.append(line)
            self.log.info("%s", line)

    def _terminated(self) -> Any:
        """State of the ended container as the API tells it, ``None`` while it has not ended."""
        statuses = (self.pod.status.container_statuses if self.pod and self.pod.status else None) or []
        base = next((item for item in statuses if item.name == self.base_container_name), None)
        return base.state.terminated if base and base.state else None

    def _ended_by_itself(self) -> bool:
        return self._terminated() is not None

    def _failure(self, event: dict[str, Any], error: Exception) -> str:
        """Why the check failed, as near to the script's own words as can be had."""
        ended = self._terminated()
        status = self.pod.status if self.pod else None
        if status is not None and status.reason == "DeadlineExceeded":
            return f"it did not end within {self.check.timeout}"
        if ended is not None:
            words = " ".join((ended.message or last_words(self._output) or ended.reason or "").split())
            return f"exit code {ended.exit_code}: {without(self._hidden, words)}"[:1000]
        return str(event.get("message") or error)[:1000]

    def _record(self, context: Context, state: CheckState, reason: str, proof: dict[str, Any] | None = None) -> None:
        ended = self._terminated()
        seconds = (ended.finished_at - ended.started_at).total_seconds() if ended and ended.started_at else None
        result = CheckResult(
            component=self.component.name,
            check=self.check.name,
            state=state,
            proves=self.check.proves,
            reason=reason,
            proved=proof or {},
            seconds=seconds,
        )
        ResultsHook(self._bind(context), context["dag_run"].run_id).put(self.component.stage, result)
        context["ti"].xcom_push(key="return_value", value=result.model_dump(mode="json"))
