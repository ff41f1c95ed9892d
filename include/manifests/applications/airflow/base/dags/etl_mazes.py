"""Sample ETL: how hard are the mazes of the day?

- Extracts: asks the maze application for ten mazes a day, always the same for one date, and reads their rows back.
- Transforms: the mean and the longest way through, relative to the size.
- Loads: one row a day into PostgreSQL, table `maze_difficulty` of database `reports`; a second run replaces it.

Runs daily at 04:10 UTC. Undo: delete the row of the date.
"""

from __future__ import annotations

import json
import os
import urllib.request
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import dag, get_current_context, task

MAZES = 10
SIDE = 20
TABLE = """
    CREATE TABLE IF NOT EXISTS maze_difficulty (
        day date PRIMARY KEY,
        mazes integer NOT NULL,
        mean_length double precision NOT NULL,
        longest integer NOT NULL,
        cells integer NOT NULL,
        loaded_at timestamptz NOT NULL DEFAULT now()
    )
"""
UPSERT = """
    INSERT INTO maze_difficulty (day, mazes, mean_length, longest, cells) VALUES (%s, %s, %s, %s, %s)
    ON CONFLICT (day) DO UPDATE SET mazes = EXCLUDED.mazes, mean_length = EXCLUDED.mean_length,
        longest = EXCLUDED.longest, cells = EXCLUDED.cells, loaded_at = now()
"""


def get(path: str) -> dict[str, Any]:
    """One answer of the maze application as JSON."""
    address = os.environ["MAZE_URL"] + path
    with urllib.request.urlopen(address, timeout=30) as answer:  # noqa: S310 - configured, not given by users
        found: dict[str, Any] = json.load(answer)
        return found


@task
def extract() -> list[dict[str, Any]]:
    """Rows of the day's mazes; the date seeds them, so that a second run asks for the same."""
    context = get_current_context()
    moment = context.get("logical_date") or context["dag_run"].run_after
    first = moment.date().toordinal() * MAZES
    made = [get(f"/api/maze?seed={first + number}&width={SIDE}&height={SIDE}") for number in range(MAZES)]
    return [get(f"/api/mazes?id={maze['id']}") | {"day": moment.date().isoformat()} for maze in made]


@task
def transform(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Numbers of the day."""
    lengths = [row["length"] for row in rows]
    if len(lengths) != MAZES or min(lengths) < 2 * SIDE - 1:
        raise ValueError(f"{len(lengths)} mazes with ways of {lengths}; {MAZES} of at least {2 * SIDE - 1} expected")
    return {
        "day": rows[0]["day"],
        "mazes": len(lengths),
        "mean_length": sum(lengths) / len(lengths),
        "longest": max(lengths),
        "cells": SIDE * SIDE,
    }


@task
def load(numbers: dict[str, Any]) -> dict[str, Any]:
    """Replace the day's row; returned for whoever looks."""
    import psycopg2

    columns = ("day", "mazes", "mean_length", "longest", "cells")
    with psycopg2.connect("", connect_timeout=10) as database, database.cursor() as cursor:
        cursor.execute(TABLE)
        cursor.execute(UPSERT, [numbers[column] for column in columns])
        cursor.execute("SELECT count(*) FROM maze_difficulty")
        (days,) = cursor.fetchone()
    return numbers | {"days": days}


@dag(
    schedule="10 4 * * *",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(minutes=30),
    default_args={
        "owner": "platform",
        "retries": 2,
        "retry_delay": timedelta(minutes=1),
        "execution_timeout": timedelta(minutes=10),
    },
    tags=["sample", "etl"],
    doc_md=__doc__,
)
def etl_mazes() -> None:
    """Extract, transform, load."""
    load(transform(extract()))


etl_mazes()
