"""From the catalog to Airflow task groups."""
