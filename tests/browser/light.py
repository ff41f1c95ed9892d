"""The page alone, for tests that need no scheduler: its app behind Airflow's auth manager, over the rehearsal cloud.

    python -m tests.browser.light FOLDER     prints one line of JSON when it serves; ends with its standard input

What the page asks of Airflow's own API is answered with 404 here; tests that need answers play them back.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.browser.said import apart

ROLES = ("admin", "user", "viewer")
SPEED = 1200.0


@contextmanager
def serving(port: int) -> Iterator[tuple[str, dict[str, str]]]:
    """The page's address, and a session token by role."""
    import uvicorn
    from airflow import settings
    from airflow.api_fastapi import app as airflow_app
    from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
    from airflow.models.base import Base
    from airflow.models.dag import DagModel
    from airflow.models.revoked_token import RevokedToken
    from fastapi import FastAPI
    from fastapi.middleware.gzip import GZipMiddleware
    from slipway.page.app import build_app

    manager = SimpleAuthManager()
    airflow_app._AuthManagerState.instance = manager
    # What Airflow's authorisation asks: revoked tokens, and teams of DAGs.
    names = (DagModel.__tablename__, RevokedToken.__tablename__, "dag_bundle", "dag_bundle_team", "team")
    Base.metadata.create_all(settings.engine, tables=[Base.metadata.tables[name] for name in names])
    parent = FastAPI()
    # As Airflow's own app compresses.
    parent.add_middleware(GZipMiddleware, minimum_size=1024, compresslevel=5)
    parent.mount("/slipway", build_app())
    server = uvicorn.Server(uvicorn.Config(parent, host="127.0.0.1", port=port, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    tokens = {role: manager.generate_jwt(SimpleAuthManagerUser(username=role, role=role)) for role in ROLES}
    yield f"http://127.0.0.1:{port}/slipway/", tokens
    server.should_exit = True
    thread.join(10)


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def main(folder: Path) -> None:
    """Start, say so, wait for the end of standard input."""
    answer = apart()
    folder.mkdir(parents=True, exist_ok=True)
    os.environ.update(
        {
            "AIRFLOW_HOME": str(folder),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{folder}/airflow.db",
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
            "AIRFLOW__API_AUTH__JWT_SECRET": "only-for-this-process-" * 4,
            "AIRFLOW_CONN_AWS_DEFAULT": "aws://",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "STACK_FOLDER": str(folder),
        }
    )
    from rehearsal.cloud import Cloud

    with Cloud(aws_port=0, kubernetes_port=0, admin_port=0, speed=SPEED) as cloud:
        os.environ.update(cloud.env)
        from tests.browser.fill import fill

        fill(cloud)
        with serving(free_port()) as (url, tokens):
            print(json.dumps({"url": url, "tokens": tokens}), file=answer, flush=True)
            sys.stdin.read()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
