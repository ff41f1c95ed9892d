"""Small corrections of moto, where AWS answers otherwise and a platform's life depends on it."""

from __future__ import annotations

from moto.sts.models import STSBackend


def install() -> None:
    """Apply all corrections; applying them twice changes nothing."""
    _name_the_default_user()


def _name_the_default_user() -> None:
    """Give unknown access keys the ARN of an IAM user; moto says ``arn:aws:sts::...:user/moto``, which IAM has not."""
    original = STSBackend.get_caller_identity
    if getattr(original, "names_default_user", False):
        return

    def get_caller_identity(self: STSBackend, access_key_id: str, region: str) -> tuple[str, str, str]:
        user_id, arn, account = original(self, access_key_id, region)
        if arn.endswith(":user/moto"):
            arn = f"arn:{self.partition}:iam::{account}:user/rehearsal"
        return user_id, arn, account

    get_caller_identity.names_default_user = True  # type: ignore[attr-defined]
    STSBackend.get_caller_identity = get_caller_identity
