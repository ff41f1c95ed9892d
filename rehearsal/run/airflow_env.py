"""The environment Airflow runs in: all configuration is variables, so that no file has to be kept in step."""

from __future__ import annotations

import base64
import json
import os
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path

from rehearsal.run.settings import ROOT, Settings

# A person's own settings must reach neither the rehearsal nor, the other way round, a real account.
FOREIGN_PREFIXES = ("AIRFLOW__", "AIRFLOW_", "AWS_", "KUBERNETES_", "BOTO_")
FOREIGN = frozenset({"KUBECONFIG", "PYTHONDONTWRITEBYTECODE", "PYTHONHOME", "PYTHONSTARTUP", "VIRTUAL_ENV"})

SECRET_NAMES = ("fernet", "jwt", "api", "postgres")


def read_secrets(path: Path) -> dict[str, str]:
    """The run folder's own secrets; generated on first use and kept readable by the owner only."""
    known: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    missing = [name for name in SECRET_NAMES if name not in known]
    if missing:
        known |= {name: new_secret(name) for name in missing}
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.chmod(0o600)
        path.write_text(json.dumps(known))
    return known


def new_secret(name: str) -> str:
    """A fresh secret; the Fernet key has the form that Fernet prescribes (32 bytes, URL-safe base64)."""
    if name == "fernet":
        return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    return secrets.token_urlsafe(32)


def base_environment(outer: Mapping[str, str], root: Path = ROOT) -> dict[str, str]:
    """What every child gets: the person's environment without settings of Airflow, AWS and Kubernetes."""
    env = {
        name: value for name, value in outer.items() if name not in FOREIGN and not name.startswith(FOREIGN_PREFIXES)
    }
    venv_bin = str(Path(sys.executable).parent)
    env["PATH"] = os.pathsep.join([venv_bin, env.get("PATH", os.defpath)])
    env["PYTHONPATH"] = os.pathsep.join([str(root / "plugins"), str(root)])
    env["PYTHONUNBUFFERED"] = "1"
    # A proxy for the outside must not be asked for the inside.
    local = "127.0.0.1,localhost"
    for name in ("NO_PROXY", "no_proxy"):
        env[name] = f"{env[name]},{local}" if env.get(name) else local
    return env


def airflow_environment(settings: Settings, known: Mapping[str, str], database_url: str) -> dict[str, str]:
    """Airflow's configuration for this run. `known` holds the secrets named in `SECRET_NAMES`."""
    home = settings.run_dir / "airflow"
    url = settings.airflow_url
    values = {
        "CORE__EXECUTOR": "LocalExecutor",
        "CORE__PARALLELISM": settings.parallelism,
        "CORE__MAX_ACTIVE_TASKS_PER_DAG": settings.parallelism,
        "CORE__DAGS_FOLDER": settings.dags_folder,
        "CORE__PLUGINS_FOLDER": ROOT / "plugins",
        "CORE__LOAD_EXAMPLES": False,
        "CORE__AUTH_MANAGER": "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager",
        # No login: it listens on 127.0.0.1 only.
        "CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": True,
        "CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "CORE__FERNET_KEY": known["fernet"],
        # Plans are rendered fields; 4 kB would cut them off in the UI.
        "CORE__MAX_TEMPLATED_FIELD_LENGTH": 400000,
        # The full name needs a DNS server that a laptop on a train does not have.
        "CORE__HOSTNAME_CALLABLE": "socket.gethostname",
        "DATABASE__SQL_ALCHEMY_CONN": database_url,
        "API__HOST": "127.0.0.1",
        "API__PORT": settings.port("AIRFLOW_PORT"),
        "API__BASE_URL": url,
        "API__WORKERS": 1,
        "API__SECRET_KEY": known["api"],
        "API__INSTANCE_NAME": f"Slipway rehearsal ({settings.environment})",
        "API__MAXIMUM_PAGE_LIMIT": 1000,
        "API_AUTH__JWT_SECRET": known["jwt"],
        # A loaded laptop answers late; a task must not die of that.
        "WORKERS__EXECUTION_API_TIMEOUT": 30,
        # A finished task holds its slot until its supervisor next looks, which it does at this interval (seconds);
        # the default of 5 halves what a few slots get done.
        "WORKERS__MIN_HEARTBEAT_INTERVAL": 1,
        # The default of 1 s is the larger part of a short task.
        "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": 0.1,
        # A second start after a power cut should not wait five minutes for tasks that are gone.
        "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": 60,
        "SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": 30,
        "DAG_PROCESSOR__REFRESH_INTERVAL": 30,
        # Reading all DAG files again every 30 s, the default, takes a good part of a small machine. One that was
        # edited is read at once all the same.
        "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": 120,
        "LOGGING__BASE_LOG_FOLDER": settings.logs / "tasks",
        "LOGGING__WORKER_LOG_SERVER_PORT": settings.port("AIRFLOW_WORKER_LOG_PORT"),
        "LOGGING__TRIGGER_LOG_SERVER_PORT": settings.port("AIRFLOW_TRIGGER_LOG_PORT"),
        "LOGGING__COLORED_CONSOLE_LOG": False,
        "LOGGING__UVICORN_LOGGING_LEVEL": "WARNING",
    }
    env = {f"AIRFLOW__{name}": str(value) for name, value in values.items()}
    env["AIRFLOW_HOME"] = str(home)
    # Empty on purpose: endpoint, region and credentials come from the environment.
    env["AIRFLOW_CONN_AWS_DEFAULT"] = '{"conn_type": "aws"}'
    return env


def aws_environment(cloud: Mapping[str, str]) -> dict[str, str]:
    """The cloud's own variables, plus what keeps the SDK from looking into the person's AWS files."""
    return {
        **cloud,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
