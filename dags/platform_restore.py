"""
# Restore data from backups

Puts the claims of databases and HDFS on disks made of the snapshots that `platform_backup` took.

- **survey** chooses a backup for each component: the newest that has all of its disks, so that they are of one moment.
  It says how old that is: whatever was written since is lost.
- **approve**, and for protected environments **confirm**, ask a person.
- **restore** copies snapshots of another region, makes all disks, and only then stops the StatefulSets, puts claims of
  the same names on the new disks and starts them again; waits until they are ready and runs their checks. Components
  that are not deployed yet get their claims, which the deploy then finds.

**When** - by hand, and by `platform_dr_drill`.

**Changes** - disks, persistent volumes and claims of the components named. The disks that were in use before are kept,
out of use, until somebody deletes them: they are the way back.

**Undo** - restore another backup; or put the claims back on their former disks, whose volumes are `Released`.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG
from slipway.build.defaults import DEFAULT_ARGS
from slipway.build.restore import build_restore, restore_params

with DAG(
    dag_id="platform_restore",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    default_args=DEFAULT_ARGS,
    params=restore_params(),
    # A person may take a day to answer, and large disks hours to be copied.
    dagrun_timeout=timedelta(hours=40),
    tags=["slipway", "backup", "restore"],
    doc_md=__doc__,
    render_template_as_native_obj=True,
):
    build_restore()
