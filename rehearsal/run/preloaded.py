"""`python -m rehearsal.run.preloaded scheduler`: an Airflow component with the large client libraries in memory.

The scheduler forks a process for every start of a task (twice for one that defers), the DAG processor one for every
file it reads. What they hold is inherited; what they lack each fork imports anew: 1.1 of the 1.5 seconds of CPU that
reading a deploy DAG takes (measured), some hundred times in one deploy. Our own modules are left out, so that an
edit of them is seen by the next task.
"""

from __future__ import annotations

import gc
import importlib
import runpy
import sys

MODULES = (
    "airflow.providers.cncf.kubernetes.operators.pod",
    "airflow.providers.amazon.aws.hooks.eks",
    "airflow.providers.standard.operators.empty",
    "boto3",
    "kubernetes_asyncio",
    "pydantic",
    "ruamel.yaml",
)


def main(arguments: list[str]) -> None:
    """Import the modules, then be `airflow <arguments>`."""
    for name in MODULES:
        importlib.import_module(name)
    # Keeps the collector of a fork from touching, and so copying, the memory it shares.
    gc.collect()
    gc.freeze()
    sys.argv = ["airflow", *arguments]
    runpy.run_module("airflow", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(sys.argv[1:])
