"""Slipway: the whole life of an EKS data platform as Airflow DAGs."""
