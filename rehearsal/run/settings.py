"""What one run is asked to do, read once from the environment (`make` passes its variables this way)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

TRUE_WORDS = frozenset({"1", "true", "yes", "on"})
FALSE_WORDS = frozenset({"", "0", "false", "no", "off"})


class SettingError(ValueError):
    """A variable holds something that cannot be used; the message names it and what is allowed."""


class RunError(RuntimeError):
    """The run cannot go on; the message says why and what to do about it."""


@dataclass(frozen=True)
class Port:
    """A TCP port on 127.0.0.1: what listens there and which variable moves it."""

    number: int
    use: str
    variable: str


# variable -> (default, what listens there)
PORTS: Mapping[str, tuple[int, str]] = {
    "AIRFLOW_PORT": (8080, "Airflow UI and API"),
    "AIRFLOW_WORKER_LOG_PORT": (8793, "Airflow task logs"),
    "AIRFLOW_TRIGGER_LOG_PORT": (8794, "Airflow trigger logs"),
    "POSTGRES_PORT": (5433, "PostgreSQL"),
    "REHEARSAL_AWS_PORT": (5555, "rehearsal AWS API"),
    "REHEARSAL_KUBERNETES_PORT": (6443, "rehearsal Kubernetes API"),
    "REHEARSAL_ADMIN_PORT": (6440, "rehearsal control of clusters"),
}


@dataclass(frozen=True)
class Settings:
    """One run: which DAG with which configuration, where its state lives, which ports it uses."""

    ports: Mapping[str, Port]
    run_dir: Path
    dags_folder: Path
    dag_id: str = "platform_deploy"
    environment: str = "dev"
    stages: tuple[str, ...] = ()
    """As the DAG's form spells them, with dashes: base-services."""
    plan_only: bool = False
    oneshot: bool = False
    parallelism: int = 8
    timeout: float = 3600.0
    """Seconds after which a DAG run that has not ended is given up in one-shot mode."""
    extra_conf: Mapping[str, str] = field(default_factory=dict)

    def port(self, variable: str) -> int:
        """The number behind one of the names in `PORTS`."""
        return self.ports[variable].number

    @property
    def airflow_url(self) -> str:
        """Where people and this driver reach Airflow."""
        return f"http://127.0.0.1:{self.port('AIRFLOW_PORT')}"

    @property
    def logs(self) -> Path:
        """Folder of the output of everything that was started, one file each."""
        return self.run_dir / "logs"

    def conf(self) -> dict[str, object]:
        """The configuration the DAG run is triggered with; what was not asked for is left to the DAG's defaults."""
        conf: dict[str, object] = {"environment": self.environment}
        if self.stages:
            conf["stages"] = list(self.stages)
        if self.plan_only:
            conf["plan_only"] = True
        return conf


def read_settings(env: Mapping[str, str] | None = None) -> Settings:
    """Read the settings of a run.

    Raises `SettingError` for a port, number or flag that cannot be used.
    """
    env = os.environ if env is None else env
    ports = {name: Port(_number(env, name, default, 1024, 65535), use, name) for name, (default, use) in PORTS.items()}
    _refuse_double_use(ports)
    return Settings(
        ports=ports,
        run_dir=Path(env.get("SLIPWAY_RUN_DIR") or ROOT / ".run").resolve(),
        dags_folder=Path(env.get("SLIPWAY_DAGS_FOLDER") or ROOT / "dags").resolve(),
        dag_id=env.get("DAG") or "platform_deploy",
        environment=env.get("ENVIRONMENT") or "dev",
        stages=tuple(env.get("STAGES", "").replace(",", " ").replace("_", "-").split()),
        plan_only=_flag(env, "PLAN_ONLY"),
        oneshot=_flag(env, "ONESHOT"),
        parallelism=_number(env, "AIRFLOW_PARALLELISM", default_parallelism(os.cpu_count() or 2), 1, 64),
        timeout=float(_number(env, "RUN_TIMEOUT", 3600, 10, 86400)),
    )


def default_parallelism(cores: int) -> int:
    """How many tasks run at once: four per core, as they mostly wait for answers, within 4 and 16."""
    return max(4, min(16, 4 * cores))


def _flag(env: Mapping[str, str], name: str) -> bool:
    value = env.get(name, "").strip().lower()
    if value in TRUE_WORDS:
        return True
    if value in FALSE_WORDS:
        return False
    raise SettingError(f"{name}={env[name]!r} is neither on nor off. Use {name}=1 or leave it out.")


def _number(env: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    text = env.get(name, "").strip()
    if not text:
        return default
    if not text.isdigit() or not low <= int(text) <= high:
        raise SettingError(f"{name}={text!r} is not a whole number from {low} to {high}.")
    return int(text)


def _refuse_double_use(ports: Mapping[str, Port]) -> None:
    seen: dict[int, Port] = {}
    for port in ports.values():
        other = seen.setdefault(port.number, port)
        if other is not port:
            raise SettingError(
                f"{other.variable} ({other.use}) and {port.variable} ({port.use}) are both {port.number}. "
                f"Give one of them another number, for example: make run {port.variable}={port.number + 100}"
            )
