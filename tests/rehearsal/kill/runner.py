"""One DAG run with the parts of Airflow that matter when a worker dies, one task at a time and in one process.

Real are: the scheduler's decisions (``DagRun.update_state``), the worker's supervisor, which forks a process for every
start of a task and talks to it over sockets (``ActivitySubprocess``), the task runner in that process, the execution
API and its database, and what the scheduler does with a task whose process was killed
(``TaskInstance.handle_failure``), be it told by the executor or by missing heartbeats. Not real: there is no executor
and no triggerer process (triggers run here, their events take the triggerer's way into the database), a retry does not
wait its delay, and tasks that may be retried at all may be so without end, since one run is killed some hundred times.
"""

from __future__ import annotations

import importlib
import pkgutil
import signal
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import structlog

from tests.rehearsal.kill.knife import Knife

ROOT = Path(__file__).resolve().parents[3]
BUNDLE = "dags-folder"
NEVER_ENDING = 100_000
STALLED_SECONDS = 60.0
# How often a supervisor looks whether its process has ended. The usual five seconds would be most of a run.
LOOK_SECONDS = 0.2


@dataclass
class Outcome:
    """How a run ended.

    :param states: by task.
    :param turns: starts of a process, by task.
    :param failed: how many turns ended in an error of the task's own, by task.
    """

    dag_id: str
    state: str
    states: dict[str, str]
    turns: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    def bad(self) -> dict[str, str]:
        """Tasks that did not end well."""
        return {task: state for task, state in self.states.items() if state not in {"success", "skipped"}}


def preload() -> None:
    """Have in memory what every task process needs, so that a fork need not import it."""
    import slipway.hooks
    import slipway.operators
    import slipway.triggers
    from airflow.sdk.execution_time import supervisor

    for package in (slipway.hooks, slipway.operators, slipway.triggers):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    for name in ("airflow.sdk.execution_time.task_runner", "airflow.dag_processing.dagbag", "kubernetes_asyncio"):
        importlib.import_module(name)
    supervisor.MIN_HEARTBEAT_INTERVAL = LOOK_SECONDS


def share_service_models() -> None:
    """Read the descriptions of AWS services once for all task processes; each would read megabytes of JSON."""
    from slipway.hooks import aws

    for service in ("s3", "eks", "cloudformation", "ec2", "sts", "secretsmanager", "iam", "logs", "autoscaling"):
        aws.client(service, "us-east-1")
    aws._client.cache_clear()


class Runner:
    """Runs one DAG run to its end.

    :param knife: decides which task processes die.
    :param log: file for what tasks say.
    """

    def __init__(self, dag_id: str, conf: dict[str, Any], knife: Knife, log: Path) -> None:
        from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
        from airflow.sdk.execution_time.supervisor import InProcessTestSupervisor
        from airflow.serialization.serialized_objects import DagSerialization

        bag = DagBag(str(ROOT / "dags" / f"{dag_id}.py"), bundle_name=BUNDLE)
        assert not bag.import_errors, bag.import_errors
        dag = bag.dags[dag_id]
        for task in dag.tasks:
            _retry_for_ever(task)
        sync_bag_to_db(bag, BUNDLE, None)
        self.dag_id = dag_id
        self.knife = knife
        self.log = log
        self.dag: Any = DagSerialization.deserialize_dag(DagSerialization.serialize_dag(dag))
        self.client = InProcessTestSupervisor._api_client(dag)
        self.run_id = f"manual__{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f+00:00}"
        self.outcome = Outcome(dag_id, "running", {})
        self._create(conf)

    def _create(self, conf: dict[str, Any]) -> None:
        from airflow.utils.session import create_session
        from airflow.utils.state import DagRunState
        from airflow.utils.types import DagRunTriggeredByType, DagRunType

        now = datetime.now(UTC)
        with create_session() as session:
            self.dag.create_dagrun(
                run_id=self.run_id,
                run_after=now,
                start_date=now,
                conf=conf,
                run_type=DagRunType.MANUAL,
                triggered_by=DagRunTriggeredByType.TEST,
                state=DagRunState.RUNNING,
                session=session,
            )

    def whole(self) -> Outcome:
        """Run to the end."""
        began = last = time.monotonic()
        while True:
            state, ready = self._schedule()
            if state != "running":
                break
            for ti_id in ready:
                self._turn(ti_id)
            if ready:
                last = time.monotonic()
            elif time.monotonic() - last > STALLED_SECONDS:
                raise AssertionError(f"{self.dag_id} does not go on: {self._states()}")
            else:
                time.sleep(0.02)
        self.outcome.state = state
        self.outcome.states = self._states()
        self.outcome.seconds = time.monotonic() - began
        return self.outcome

    def _schedule(self) -> tuple[str, list[UUID]]:
        """What the scheduler's loop does for one run: decide what may start now."""
        from airflow.utils.session import create_session
        from airflow.utils.state import TaskInstanceState

        with create_session() as session:
            run = self._dag_run(session)
            ready, _ = run.update_state(session=session)
            for ti in ready:
                if ti.state != TaskInstanceState.UP_FOR_RESCHEDULE:
                    ti.try_number += 1
                ti.state = TaskInstanceState.SCHEDULED
                ti.scheduled_dttm = datetime.now(UTC)
            session.commit()
            scheduled = run.get_task_instances(state=[TaskInstanceState.SCHEDULED], session=session)
            return str(run.state), [ti.id for ti in scheduled]

    def _turn(self, ti_id: UUID) -> None:
        """One start of a task's process, to its end, deferral or death."""
        from airflow.models.taskinstance import TaskInstance
        from airflow.sdk.api.datamodels._generated import BundleInfo
        from airflow.sdk.api.datamodels._generated import TaskInstance as Started
        from airflow.sdk.execution_time import task_runner
        from airflow.sdk.execution_time.supervisor import ActivitySubprocess
        from airflow.utils.session import create_session
        from airflow.utils.state import TaskInstanceState

        with create_session() as session:
            ti = session.get(TaskInstance, ti_id)
            assert ti is not None
            ti.state = TaskInstanceState.QUEUED
            label = ti.task_id if ti.map_index < 0 else f"{ti.task_id}[{ti.map_index}]"
            what = Started(
                id=UUID(str(ti.id)),
                task_id=ti.task_id,
                dag_id=ti.dag_id,
                run_id=ti.run_id,
                try_number=ti.try_number,
                map_index=ti.map_index,
                dag_version_id=UUID(str(ti.dag_version_id)),
            )

        def in_process() -> None:
            _forget_the_parent()
            self.knife.install(label)
            task_runner.main()

        self.outcome.turns[label] += 1
        with self.log.open("a") as file:
            file.write(f"--- {label}, try {what.try_number}\n")
            file.flush()
            process = ActivitySubprocess.start(
                what=what,
                dag_rel_path=f"{self.dag_id}.py",
                bundle_info=BundleInfo(name=BUNDLE),
                client=self.client,
                target=in_process,
                logger=_logger(file),
            )
            code = process.wait()
        self.knife.collect()
        self._afterwards(ti_id, what, label, code)

    def _afterwards(self, ti_id: UUID, what: Any, label: str, code: int) -> None:
        from airflow.models.taskinstance import TaskInstance
        from airflow.utils.session import create_session
        from airflow.utils.state import TaskInstanceState

        trigger_id = None
        with create_session() as session:
            ti = session.get(TaskInstance, ti_id)
            # A try that failed by itself has gone to the history: the next one has another id.
            if ti is None or ti.state == TaskInstanceState.FAILED:
                self.outcome.failed[label] += 1
            if ti is None:
                return
            if ti.state == TaskInstanceState.RUNNING:
                assert code == -signal.SIGKILL, f"{label} ended with code {code} and said nothing; see {self.log}"
                ti.task = self.dag.get_task(ti.task_id)
                ti.handle_failure(error=f"{label} was killed", session=session)
                return
            if ti.state == TaskInstanceState.DEFERRED:
                trigger_id = ti.trigger_id
        if trigger_id is not None:
            self._wait(trigger_id, what)

    def _wait(self, trigger_id: int, what: Any) -> None:
        """What the triggerer does."""
        from airflow.models.trigger import Trigger
        from airflow.sdk._shared.module_loading import import_string
        from airflow.sdk.execution_time.supervisor import InProcessTestSupervisor
        from airflow.utils.session import create_session

        with create_session() as session:
            row = session.get(Trigger, trigger_id)
            assert row is not None
            classpath, arguments = row.classpath, dict(row.kwargs)
        trigger = import_string(classpath)(**arguments)
        event = InProcessTestSupervisor.run_trigger_in_process(trigger=trigger, ti=what)
        Trigger.submit_event(trigger_id, event)

    def _dag_run(self, session: Any) -> Any:
        from airflow.models.dagrun import DagRun
        from sqlalchemy import select

        run = session.scalar(select(DagRun).where(DagRun.dag_id == self.dag_id, DagRun.run_id == self.run_id))
        run.dag = self.dag
        return run

    def _states(self) -> dict[str, str]:
        from airflow.utils.session import create_session

        with create_session() as session:
            return {
                ti.task_id if ti.map_index < 0 else f"{ti.task_id}[{ti.map_index}]": str(ti.state)
                for ti in self._dag_run(session).get_task_instances(session=session)
            }


def _forget_the_parent() -> None:
    """Let go, in a task's process, of what belongs to the process it was forked from.

    A worker of Airflow has none of it; here, triggers run in the parent.
    """
    from asgiref.sync import SyncToAsync
    from slipway.hooks import aws
    from slipway.hooks.kubernetes import EksAccess

    aws._client.cache_clear()
    EksAccess._tokens.clear()
    # Its thread did not come along, and would be waited for.
    SyncToAsync.single_thread_executor = ThreadPoolExecutor(max_workers=1)


def _retry_for_ever(task: Any) -> None:
    """Let tasks that may be retried be retried at once, and as often as they are killed."""
    if not task.retries:
        return
    values = {"retries": NEVER_ENDING, "retry_delay": timedelta(0), "retry_exponential_backoff": 0}
    if task.is_mapped:
        task.partial_kwargs.update(values)
        return
    for name, value in values.items():
        setattr(task, name, value)


def _logger(file: Any) -> Any:
    return structlog.wrap_logger(
        structlog.WriteLogger(file),
        processors=[structlog.dev.ConsoleRenderer(colors=False)],
        wrapper_class=structlog.make_filtering_bound_logger(20),
    )
