"""The rehearsal cloud with one cluster and two nodes."""

from __future__ import annotations

from tests.rehearsal.components.conftest import cloud, empty, stack  # noqa: F401
