"""The driver of `make run`: a private PostgreSQL, the rehearsal cloud and Airflow, then one DAG run to the end.

Problem: trying a platform's whole life must need nothing but Python, must end without a process left over,
and must tell on the terminal what a person would otherwise collect from five browser tabs.

Everything it starts is a child with its own session, listens on 127.0.0.1 only and keeps its state in `.run/`.
"""
