"""Which sizes were changed lately: an object in the artefact bucket beside the health's."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from slipway.hooks.aws import client, code_of
from slipway.hooks.eks import EksHook
from slipway.hooks.records import RecordsHook
from slipway.model.platform import Platform
from slipway.model.scale import Resize, ScaleState


class ScaleStateHook:
    """Reads and writes it, and makes the changes themselves."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.records = RecordsHook(platform)
        self.key = f"watch/{platform.environment.name}/{platform.region}/scale.json"

    def read(self) -> ScaleState:
        """What is remembered."""
        found = self.records.get_json(self.key)
        return ScaleState() if found is None else ScaleState.model_validate(found)

    def write(self, state: ScaleState) -> None:
        """Remember. Only whoever holds the platform's lease writes."""
        self.records.put_json(self.key, state.model_dump(mode="json"))

    def resize(self, change: Resize) -> str:
        """Ask EKS for another desired size; the id of its update, or why it refused.

        :raises ClientError: EKS refused for another reason than an update in progress.
        """
        live = EksHook.of(self.platform.region).find_nodegroup(self.platform.cluster_name, change.nodegroup)
        # Somebody may have changed it since it was judged.
        if live is None or int(live["scalingConfig"]["desiredSize"]) != change.before:
            return "refused: its size changed since it was looked at"
        eks: Any = client("eks", self.platform.region)
        try:
            update = eks.update_nodegroup_config(
                clusterName=self.platform.cluster_name,
                nodegroupName=change.nodegroup,
                scalingConfig={"desiredSize": change.after},
            )["update"]["id"]
        except ClientError as error:
            if code_of(error) == "ResourceInUseException":
                return "refused: another update of it is in progress"
            raise
        return f"applied: update {update}"
