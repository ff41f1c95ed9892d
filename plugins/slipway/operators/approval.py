"""A person's yes or no, asked in Airflow's UI, before something that cannot be undone."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import Param
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from slipway.operators.base import FINAL_ERRORS, is_plan, platform_of

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context

# After a day the facts that the question was asked on are too old to act on.
RESPONSE_TIMEOUT = timedelta(hours=24)
SURVEY = "survey"
CONFIRMATION = {
    "platform": Param("", type="string", title="Platform", description="Its name: slipway-<environment>"),
}


class AskOperator(ApprovalOperator):
    """A question that is asked once: no answer in time is a no."""

    ui_color = "#fecaca"

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("response_timeout", RESPONSE_TIMEOUT)
        super().__init__(ignore_downstream_trigger_rules=True, **kwargs)

    def process_trigger_event_error(self, event: dict[str, Any]) -> None:
        """End the run. A retry would ask again, on facts that have grown older still.

        :raises AirflowFailException: always.
        """
        if event["error_type"] != "timeout":
            raise AirflowFailException(f"The answer could not be taken: {event['error']}. Nothing was changed")
        raise AirflowFailException(
            f"Nobody answered within {self.response_timeout}. Nothing was changed. Mend: start a new run, which looks "
            "at everything anew before it asks"
        )


class ApproveOperator(AskOperator):
    """Asks a person for approval, showing what the survey before it found. A plan ends here.

    A rejection skips everything after it. Nobody is asked when the run says ``unattended``, which a protected
    environment does not allow.

    :param survey: task whose result holds the ``body`` to show.
    """

    def __init__(self, *, survey: str = SURVEY, **kwargs: Any) -> None:
        kwargs.setdefault("body", "{{ ti.xcom_pull('" + survey + "')['body'] }}")
        super().__init__(**kwargs)
        self.survey = survey

    def execute(self, context: Context) -> Any:
        """Ask, unless the run only plans or was started to go through unattended."""
        if is_plan(context):
            self.log.info("Plan only: this is what would be asked.\n%s", self.body)
            self._skip_rest(context)
            return None
        if context["params"].get("unattended"):
            self._allow_unattended(context)
            self.log.warning("Not asked: the run was started with unattended.\n%s", self.body)
            return None
        return super().execute(context)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Go on, or skip the rest; XCom keeps who answered."""
        answer = super().execute_complete(context, event)
        return {
            "chosen": answer["chosen_options"][0],
            "by": answer["responded_by_user"],
            "at": str(answer["responded_at"]),
        }

    def _skip_rest(self, context: Context) -> None:
        relatives = context["task"].get_flat_relatives(upstream=False)
        self.skip(ti=context["ti"], tasks=[task for task in relatives if not task.is_teardown])

    @staticmethod
    def _allow_unattended(context: Context) -> None:
        """Refuse to go unattended where the environment is protected.

        :raises AirflowFailException: it is.
        """
        try:
            platform = platform_of(context)
        except FINAL_ERRORS as error:
            raise AirflowFailException(str(error)) from error
        if platform.environment.protected:
            raise AirflowFailException(
                f"Environment {platform.environment.name} is protected: true, so a person must approve. Mend: run "
                "again without unattended, or take the protection out of its file first"
            )


class ConfirmOperator(AskOperator):
    """The second confirmation of a protected environment: its platform's name, typed in.

    Skipped for environments that are not protected.

    :param params: pass :data:`CONFIRMATION`; Airflow tells a task's fields from the DAG's by where they are given.
    """

    def execute(self, context: Context) -> Any:
        """Ask where the environment is protected."""
        try:
            platform = platform_of(context)
        except FINAL_ERRORS as error:
            raise AirflowFailException(str(error)) from error
        if not platform.environment.protected:
            raise AirflowSkipException(f"Environment {platform.environment.name} is not protected")
        return super().execute(context)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Accept only the right name.

        :raises AirflowFailException: another one was typed.
        """
        answer = super().execute_complete(context, event)
        typed = str((event.get("params_input") or {}).get("platform", "")).strip()
        wanted = platform_of(context).name
        if answer["chosen_options"][0] == self.APPROVE and typed != wanted:
            raise AirflowFailException(
                f"Typed {typed!r}; allowed: {wanted!r}. Nothing was changed. Mend: clear this task and type it exactly"
            )
        return {"chosen": answer["chosen_options"][0], "by": answer["responded_by_user"]}
