"""Asks registries whether the platform's images are still what ``images.yaml`` says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context


class CompareImagesOperator(BaseOperator):
    """Compares every image's tag and digest with its registry, and returns the states.

    Fails when a pinned image is not served any more: a new node could not start it. Skips when no registry answers, as
    nothing was learned. Changes nothing; ``python -m slipway.image_digests --write`` does, in Git.
    """

    ui_color = "#fde68a"

    def execute(self, context: Context) -> dict[str, Any]:
        """Ask, log every image, return counts and whatever is not current.

        :raises AirflowFailException: a pinned image is gone.
        :raises AirflowSkipException: no registry could be asked.
        """
        from slipway.catalog.pins import load_pins
        from slipway.decisions.image_pins import PinState, summary
        from slipway.hooks.registry import RegistryHook
        from slipway.image_digests import ask, tagged_images

        verdicts = ask(tagged_images(), load_pins(), RegistryHook())
        for verdict in verdicts:
            self.log.info("%-9s %s %s", verdict.state.value, verdict.image, verdict.note)
        counts = summary(verdicts)
        if counts["unknown"] == len(verdicts):
            raise AirflowSkipException(f"No registry could be asked, for instance: {verdicts[0].note}")
        gone = [verdict for verdict in verdicts if verdict.state is PinState.GONE]
        if gone:
            lines = "".join(f"\n  - {verdict.image}: {verdict.note}" for verdict in gone)
            raise AirflowFailException(
                f"{len(gone)} pinned image(s) are not served any more:{lines}\n"
                "Take a newer build with python -m slipway.image_digests --write --move, and deploy"
            )
        rest = [verdict for verdict in verdicts if verdict.state is not PinState.CURRENT]
        return {"counts": counts, "not_current": [f"{one.state.value} {one.image} {one.note}" for one in rest]}
