"""
# Rehearse a disaster

Rebuilds an environment from code under another name and in another region, restores its backups there, proves it,
measures how long that took and how old the data was, and takes it down again.

- **survey** says what is rebuilt, of which backups, and what that costs. The platform's name is the environment's with
  `-dr`, its network one that no environment uses; nothing else differs.
- **approve** asks a person where the environment is protected.
- **order** is the moment from which time counts. The secrets that the data was made with are copied.
- **rebuild** runs `platform_deploy` up to base services, **restore** runs `platform_restore` for the new platform from
  the original's backups, **prove** runs `platform_deploy` for the rest: data layer, applications, and the validation
  stage on the restored data.
- **compare** holds Kubernetes, nodes, components, objects, images and claims against the original's.
- **take_down** runs `platform_teardown`, whose sweep proves that nothing is left; also after a failure.
- **report** tells time to recover (RTO), age of the data (RPO) and all differences, in the original's bucket.

**When** - by hand; every quarter is a good habit.

**Changes** - a second platform, for some hours. The original is only read.

**Undo** - it undoes itself. If it could not: `platform_teardown` with the drill's name, region and *keep* empty.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG
from slipway.build.defaults import DEFAULT_ARGS
from slipway.build.drill import build_drill, drill_params

with DAG(
    dag_id="platform_dr_drill",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    params=drill_params(),
    dagrun_timeout=timedelta(hours=60),
    tags=["slipway", "backup", "restore", "drill"],
    doc_md=__doc__,
    render_template_as_native_obj=True,
):
    build_drill()
