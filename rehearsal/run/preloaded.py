"""`python -m rehearsal.run.preloaded scheduler`: an Airflow component with what tasks import in memory.

The scheduler forks a process for every start of a task (twice for one that defers), the DAG processor one for every
file it reads. What they hold is inherited; what they lack each fork imports anew, some two hundred times in one
deploy: the client libraries, AWS' service models, and the modules behind the DAG files. These last are people's own
code, so a fork forgets them when a file of theirs has changed since.
"""

from __future__ import annotations

import gc
import importlib
import os
import runpy
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import boto3
from botocore import loaders

from rehearsal.run.settings import ROOT

MODULES = (
    "airflow.providers.cncf.kubernetes.operators.pod",
    "airflow.providers.amazon.aws.hooks.eks",
    "airflow.providers.standard.operators.empty",
    "kubernetes_asyncio",
    "pydantic",
    "ruamel.yaml",
)
# Most tasks have a client of one of these.
SERVICES = ("cloudformation", "eks", "s3", "secretsmanager", "sts")


def main(arguments: list[str]) -> None:
    """Import everything, then be `airflow <arguments>`."""
    for name in MODULES:
        importlib.import_module(name)
    read_service_models()
    dags = Path(os.environ["AIRFLOW__CORE__DAGS_FOLDER"])
    own = [dags, Path(os.environ["AIRFLOW__CORE__PLUGINS_FOLDER"]), ROOT / "include"]
    import_behind(dags)
    os.register_at_fork(after_in_child=partial(forget_changed, own, newest(own)))
    # Keeps the collector of a fork from touching, and so copying, the memory it shares.
    gc.collect()
    gc.freeze()
    sys.argv = ["airflow", *arguments]
    runpy.run_module("airflow", run_name="__main__", alter_sys=True)


def read_service_models() -> None:
    """Have every loader of botocore be one that has read the models of the common services."""
    loader = loaders.create_loader()
    loaders.create_loader = lambda search_path_string=None: (
        loader if search_path_string is None else loaders.Loader([search_path_string])
    )
    session = boto3.Session(region_name="us-east-1")
    for service in SERVICES:
        session.client(service, aws_access_key_id="none", aws_secret_access_key="none")  # noqa: S106 - never used


def import_behind(folder: Path) -> None:
    """Run the DAG files once for what they import. One that fails is Airflow's to report, with its import errors."""
    for file in sorted(folder.glob("*.py")):
        try:
            runpy.run_path(str(file))
        except Exception as error:
            sys.stderr.write(f"{file} is not read ahead: {error!r}\n")


def newest(folders: list[Path]) -> int:
    """When a file under the folders last changed, in nanoseconds; folders count, so that a removal is seen."""
    return max((entry.stat().st_mtime_ns for folder in folders for entry in _walk(folder)), default=0)


def forget_changed(folders: list[Path], known: int) -> None:
    """Drop the modules of these folders if something in them has changed, so that they are imported anew."""
    if newest(folders) == known:
        return
    roots = tuple(f"{folder}{os.sep}" for folder in folders)
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None) or "").startswith(roots):
            del sys.modules[name]


def _walk(folder: Path) -> Iterator[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith((".", "__pycache__")):
                continue
            yield entry
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(Path(entry))


if __name__ == "__main__":
    main(sys.argv[1:])
