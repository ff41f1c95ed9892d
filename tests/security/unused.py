"""Actions that are granted although no DAG asked for them in the rehearsal, and why."""

from __future__ import annotations

NOT_REHEARSED: dict[str, str] = {}
