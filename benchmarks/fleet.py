"""Fifty environments in two regions each, through the DAGs that are scheduled over all of them.

    python benchmarks/fleet.py [--environments 50] [--workers 2 --schedulers 2] [--dags platform_health,...]

The platforms are as small as they can be: a cluster with one node and a bucket each, made by calls to the rehearsal's
AWS, so what is measured is Airflow and this project and not the size of the clusters. Every cluster is an API server
of the rehearsal. With ``--workers`` tasks run under Celery; without, under LocalExecutor.

Celery is not part of .venv; `make celery` makes an environment that has it, and redis-server must be on PATH:
    .cache/celery/bin/python benchmarks/fleet.py --workers 2 --schedulers 2
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import boto3
import yaml
from airflow_stack import Shape, Stack, stack, tree_megabytes
from common import RESULTS, ROOT, Result, machine, note, record

REGIONS = ("us-east-1", "eu-west-1")
DAGS = ("platform_health", "platform_nightly_cost", "platform_nightly_scale")
# A run must be over before the next one is due.
DUE_SECONDS = {"platform_health": 600, "platform_nightly_cost": 3600, "platform_nightly_scale": 7200}
FIRST_PORT = 6700
# The clusters' API servers take the ports after their first one.
CLUSTER_PORT = 20000
ACCOUNT = "123456789012"
LIMIT = 1800.0


def describe(include: Path, count: int) -> list[str]:
    """Copy ``include/`` with ``count`` environments, each like dev, in two regions."""
    include.mkdir(parents=True)
    for entry in (ROOT / "include").iterdir():
        if entry.name != "environments":
            (include / entry.name).symlink_to(entry)
    (include / "environments").mkdir()
    like = yaml.safe_load((ROOT / "include" / "environments" / "dev.yaml").read_text())
    names = [f"e{number:02d}" for number in range(count)]
    for number, name in enumerate(names):
        cidr = {"cidr": f"10.{number}.0.0/16"}
        text = {**like, "name": name, "regions": list(REGIONS), "network": {**like["network"], **cidr}}
        (include / "environments" / f"{name}.yaml").write_text(yaml.safe_dump(text))
    return names


class Builder:
    """Makes the platforms by calls to AWS."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._clients: dict[tuple[str, str], Any] = {}
        for service in ("s3", "eks", "ec2"):
            for region in REGIONS:
                self._client(service, region)
        self._subnets: dict[str, list[str]] = {}
        iam = self._client("iam", REGIONS[0])
        self._roles = {}
        for role, service in {"cluster": "eks.amazonaws.com", "node": "ec2.amazonaws.com"}.items():
            statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
            trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
            self._roles[role] = iam.create_role(RoleName=role, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
        for region in REGIONS:
            ec2 = self._client("ec2", region)
            vpc = ec2.create_vpc(CidrBlock="10.200.0.0/16")["Vpc"]["VpcId"]
            self._subnets[region] = [
                ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.200.{number * 16}.0/20", AvailabilityZone=region + zone)[
                    "Subnet"
                ]["SubnetId"]
                for number, zone in enumerate("ab")
            ]

    def _client(self, service: str, region: str) -> Any:
        # Making one costs more than using it.
        if (service, region) not in self._clients:
            self._clients[service, region] = boto3.client(service, region_name=region, endpoint_url=self._endpoint)
        return self._clients[service, region]

    def make(self, environment: str, region: str) -> None:
        """One platform: bucket, cluster, one node."""
        name = f"slipway-{environment}"
        bucket = f"{name}-{ACCOUNT}-{region}"
        where = {} if region == REGIONS[0] else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        self._client("s3", region).create_bucket(Bucket=bucket, **where)
        eks = self._client("eks", region)
        tags = {"slipway:platform": name, "slipway:managed-by": "slipway", "slipway:environment": environment}
        access = {"authenticationMode": "API", "bootstrapClusterCreatorAdminPermissions": True}
        eks.create_cluster(
            name=name,
            version="1.36",
            roleArn=self._roles["cluster"],
            resourcesVpcConfig={"subnetIds": self._subnets[region]},
            accessConfig=access,
            tags=tags,
        )
        eks.get_waiter("cluster_active").wait(name=name, WaiterConfig={"Delay": 0.2, "MaxAttempts": 900})
        eks.create_nodegroup(
            clusterName=name,
            nodegroupName="primary",
            subnets=self._subnets[region],
            nodeRole=self._roles["node"],
            scalingConfig={"minSize": 1, "maxSize": 5, "desiredSize": 1},
            instanceTypes=["t3.large"],
            labels={"slipway.dev/workload": "primary"},
            tags=tags,
        )
        eks.get_waiter("nodegroup_active").wait(
            clusterName=name, nodegroupName="primary", WaiterConfig={"Delay": 0.2, "MaxAttempts": 900}
        )


def observe(found: Stack, dag: str, run_id: str) -> dict[str, Any]:
    """What a run took, from Airflow's own records. Seconds; bytes."""
    start, end, state = found.query(
        "select start_date, end_date, state from dag_run where dag_id = %s and run_id = %s", dag, run_id
    )[0]
    tasks = found.query(
        "select state, count(*), avg(duration), percentile_cont(0.95) within group (order by duration),"
        " avg(extract(epoch from start_date - queued_dttm)) from task_instance"
        " where dag_id = %s and run_id = %s group by state",
        dag,
        run_id,
    )
    xcoms = found.query(
        "select count(*), coalesce(sum(pg_column_size(value)), 0), coalesce(max(pg_column_size(value)), 0)"
        " from xcom where dag_id = %s and run_id = %s",
        dag,
        run_id,
    )[0]
    parsed = found.query("select last_parse_duration from dag where dag_id = %s", dag)
    return {
        "state": state,
        "wall_seconds": _seconds(start, end),
        "tasks": {
            str(one): {
                "count": count,
                "mean_seconds": _rounded(mean),
                "p95_seconds": _rounded(worst),
                "queued_seconds": _rounded(queued),
            }
            for one, count, mean, worst, queued in tasks
        },
        "xcom_rows": xcoms[0],
        "xcom_bytes": int(xcoms[1]),
        "largest_xcom_bytes": int(xcoms[2]),
        "parse_seconds": _rounded(parsed[0][0]) if parsed else None,
    }


def _seconds(start: datetime, end: datetime) -> float:
    return round((end - start).total_seconds(), 1)


def _rounded(value: Any) -> float | None:
    return None if value is None else round(float(value), 2)


def measure(found: Stack, dag: str, platforms: int, shape: Shape) -> dict[str, Any]:
    """Run one DAG over the fleet, and record it."""
    found.memory.clear()
    found.processes.clear()
    found.connections = 0
    run_id, _ = found.run_dag(dag, {}, LIMIT)
    seen = observe(found, dag, run_id)
    seen |= {
        "peak_megabytes": {name: round(value) for name, value in sorted(found.memory.items())},
        "peak_processes": dict(sorted(found.processes.items())),
        "peak_connections": found.connections,
    }
    total = sum(group["count"] for group in seen["tasks"].values())
    name = f"fleet-{dag}-{platforms}-{'celery' if shape.workers else 'local'}"
    record(
        Result(
            name,
            f"{dag} over {platforms} platforms",
            "time until its next run is due",
            seen["wall_seconds"],
            DUE_SECONDS[dag],
            1,
            "at most 0.8",
            str(shape),
        )
    )
    states = ", ".join(f"{group['count']} {state}" for state, group in sorted(seen["tasks"].items()))
    note(
        name,
        f"{total} tasks ({states}), {total / seen['wall_seconds']:.1f} a second; "
        f"{seen['xcom_rows']} XComs of {seen['xcom_bytes'] / 1024:.0f} KiB; {seen['peak_connections']} connections; "
        f"peak {sum(seen['peak_megabytes'].values())} MB in all",
    )
    return seen


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--environments", type=int, default=50)
    parser.add_argument("--schedulers", type=int, default=1)
    parser.add_argument("--workers", type=int, default=0, help="of Celery; 0 for LocalExecutor")
    parser.add_argument("--slots", type=int, default=8)
    parser.add_argument("--dags", default=",".join(DAGS))
    parser.add_argument("--first-port", type=int, default=FIRST_PORT)
    parser.add_argument("--keep", type=Path, help="run here, and leave it: its database need not be made again")
    options = parser.parse_args()
    shape = Shape(options.schedulers, options.workers, options.slots)
    platforms = options.environments * len(REGIONS)
    with tempfile.TemporaryDirectory() as scratch:
        names = describe(Path(scratch) / "include", options.environments)
        env = {
            "SLIPWAY_INCLUDE_DIR": str(Path(scratch) / "include"),
            "REHEARSAL_KUBERNETES_PORT": str(CLUSTER_PORT),
            "REHEARSAL_SPEED": "100000",
        }
        with stack(options.keep or Path(scratch) / "run", options.first_port, shape, env) as found:
            os.environ.update({name: value for name, value in found.run.env.items() if name.startswith("AWS_")})
            began = time.monotonic()
            builder = Builder(found.run.env["AWS_ENDPOINT_URL"])
            with ThreadPoolExecutor(4) as pool:
                for done in [pool.submit(builder.make, name, region) for name in names for region in REGIONS]:
                    done.result()
            built = time.monotonic() - began
            sys.stdout.write(f"{platforms} platforms made in {built:.0f} s\n")
            sys.stdout.flush()
            runs = {dag: measure(found, dag, platforms, shape) for dag in options.dags.split(",")}
            cloud = {
                child.name: round(tree_megabytes(child.process.pid)[0])
                for child in found.run.supervisor.children
                if child.name == "cloud"
            }
    document = {"platforms": platforms, "shape": str(shape), "machine": machine(), "cloud_megabytes": cloud, **runs}
    suffix = "celery" if shape.workers else "local"
    (RESULTS.parent / f"fleet-{suffix}-{platforms}.json").write_text(json.dumps(document, indent=2) + "\n")
    return 0 if all(run["state"] == "success" for run in runs.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
