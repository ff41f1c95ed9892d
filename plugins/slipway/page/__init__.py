"""The Platform page: what the fleet is, costs and needs, as one page inside Airflow's UI."""
