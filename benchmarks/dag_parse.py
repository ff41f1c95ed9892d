"""Parsing all DAG files against importing Airflow and the two providers alone: what the project itself adds."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

from common import ROOT, compare

_IMPORTS = """
import airflow.sdk
import airflow.providers.amazon.aws.operators.eks
import airflow.providers.amazon.aws.operators.cloud_formation
import airflow.providers.cncf.kubernetes.operators.pod
"""
_PARSE = """
import importlib.util, pathlib
for path in sorted(pathlib.Path("dags").glob("*.py")):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as home:
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
        environment |= {"AIRFLOW_HOME": home, "PYTHONPATH": "plugins"}

        def run(code: str) -> None:
            subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, check=True)

        run(_PARSE)  # writes bytecode and Airflow's first configuration
        compare(
            "dag-parse",
            ("all DAG files", lambda: run(_PARSE)),
            ("importing Airflow and two providers", lambda: run(_IMPORTS)),
            rounds=7,
            aim="at most 1.25",
        )


if __name__ == "__main__":
    main()
