"""moto keeps its state per process: of several clouds in one process, only one may be at work."""

from __future__ import annotations

import os

from moto.core.config import default_user_config

from rehearsal.aws.cloudformation.settings import SETTINGS
from rehearsal.aws.server import Cloud

_AMIS = "MOTO_EC2_LOAD_DEFAULT_AMIS"
_current: Cloud | None = None


def take_turn(cloud: Cloud, *, lean: bool = False) -> None:
    """Let ``cloud`` be the one at work, in an empty moto with the settings it needs.

    The one before forgets its later work first: nothing else keeps that from changing moto's state behind the back
    of another folder's tests. Nothing happens when it is this cloud's turn already.

    :param lean: load neither AWS's 1,500 managed policies nor its images, which takes most of an empty start.
    """
    global _current
    if _current is cloud:
        return
    if _current is not None:
        _current.reset()
    _current = cloud
    SETTINGS.speed = cloud.eks.clock.speed
    default_user_config["iam"]["load_aws_managed_policies"] = not lean
    os.environ[_AMIS] = str(not lean).lower()
    cloud.reset()


def end_turn(cloud: Cloud) -> None:
    """Forget all of ``cloud`` and what was set for it."""
    global _current
    if _current is cloud:
        cloud.reset()
        _current = None
        os.environ.pop(_AMIS, None)
