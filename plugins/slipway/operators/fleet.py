"""The fleet as a task: what the nightly and ten-minute DAGs map over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context


class ListPlatformsOperator(BaseOperator):
    """Lists ``{environment, region, problem}`` of every deployed platform, for ``expand(member=...)``.

    Parameters ``environment`` and ``region`` of the run narrow it. A platform that cannot be looked at stays in the
    list with its problem, so that its own mapped task fails with it and the others go on.

    :param trace: what tells that a platform is there, ``cluster`` or ``bucket``.
    """

    def __init__(self, *, trace: str = "cluster", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.trace = trace

    def execute(self, context: Context) -> list[dict[str, str]]:
        """Look at every environment in every one of its regions."""
        from slipway.hooks.fleet import Trace, fleet

        params = context["params"]
        found = fleet(Trace(self.trace), params.get("environment") or None, params.get("region") or None)
        for one in found:
            self.log.info("%s in %s%s", one.environment, one.region or "?", f": {one.problem}" if one.problem else "")
        if not found:
            self.log.info("No deployed platform: nothing to do")
        return [one.as_dict() for one in found]
