"""`python -m rehearsal.run.compose_env`: the generated secrets that docker-compose.yaml reads from `.env`.

Standard library only: it must run before anything is installed.
"""

from __future__ import annotations

import secrets
import sys

from rehearsal.run.airflow_env import new_secret


def compose_env() -> str:
    """The text of a new `.env`; every call makes other secrets."""
    values = {
        "POSTGRES_PASSWORD": secrets.token_hex(24),  # without characters that an address would have to escape
        "AIRFLOW_FERNET_KEY": new_secret("fernet"),
        "AIRFLOW_JWT_SECRET": new_secret("jwt"),
        "AIRFLOW_API_SECRET_KEY": new_secret("api"),
        "K3S_TOKEN": secrets.token_hex(24),
    }
    return "".join(f"{name}={value}\n" for name, value in values.items())


if __name__ == "__main__":
    sys.stdout.write(compose_env())
