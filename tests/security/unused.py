"""Actions that are granted although no DAG asked for them in the rehearsal, and why."""

from __future__ import annotations

NOT_REHEARSED: dict[str, str] = {
    "ec2:CopySnapshot": "only what is restored in another region is copied, which a drill does; it is not run here",
}
