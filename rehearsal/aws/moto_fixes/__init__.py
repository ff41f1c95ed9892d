"""Corrections of moto where AWS answers otherwise and a platform's life depends on it.

moto accepts deletions that AWS refuses, so that a teardown in the wrong order would look fine here and fail
there; and it launches instances without what their launch template says, so that an inventory would miss it.
Each module corrects one part by wrapping moto's functions.
"""

from __future__ import annotations

from rehearsal.aws.moto_fixes import offerings

# Before anything imports moto's EC2, which the other modules do.
offerings.install()

from rehearsal.aws.moto_fixes import bucket_policies, budgets, dependencies, iam, launches, scaling, spot, sts  # noqa: E402

_installed = False


def install() -> None:
    """Apply all corrections, once per process."""
    global _installed
    if _installed:
        return
    _installed = True
    for module in (bucket_policies, budgets, dependencies, iam, launches, scaling, spot, sts):
        module.install()
