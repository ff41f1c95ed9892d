"""
# Back volumes up

Takes an EBS snapshot of the disk of every claim of every deployed platform, and lets old ones go.

- **list_platforms** finds the deployed ones.
- **back_up** snapshots each claim's disk once per run, tagged with its claim, and waits until all are complete.
- **expire** deletes backups older than *keep*; the newest complete one of each claim always stays.

A snapshot is consistent as after a loss of power, which the databases recover from. `platform_restore` puts claims on
disks made of them.

**When** - every night at 01:30 UTC, and by hand.

**Changes** - snapshots with the tags `slipway:platform` and `slipway:backup`, which a teardown keeps by default.

**Undo** - delete the snapshots.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG
from slipway.build.backup import backup_params, build_backup
from slipway.build.defaults import DEFAULT_ARGS

with DAG(
    dag_id="platform_backup",
    schedule="30 1 * * *",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    params=backup_params(),
    dagrun_timeout=timedelta(hours=10),
    tags=["slipway", "backup"],
    doc_md=__doc__,
    render_template_as_native_obj=True,
):
    build_backup()
