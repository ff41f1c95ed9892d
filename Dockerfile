# Two images from one file:
#   platform    what a production Airflow runs: Airflow, our locked requirements, dags/, plugins/, include/
#   rehearsal   the same plus the rehearsal cloud, for docker-compose.yaml
#
#   docker build --target platform --tag slipway:dev .

# Slim: our lock file brings the providers, and nothing else that would have to agree with it.
FROM apache/airflow:slim-3.3.2-python3.12 AS platform

# As the image's own user: its Python lives in that user's home.
COPY --chown=airflow:0 requirements.txt requirements-image.txt /tmp/slipway/
RUN pip install --no-cache-dir --require-hashes --requirement /tmp/slipway/requirements.txt \
    && pip install --no-cache-dir --require-hashes --requirement /tmp/slipway/requirements-image.txt \
    && rm -r /tmp/slipway

ENV AIRFLOW__CORE__LOAD_EXAMPLES=False \
    AIRFLOW__CORE__MAX_TEMPLATED_FIELD_LENGTH=400000 \
    PYTHONPATH=/opt/airflow/plugins

COPY --chown=airflow:0 dags /opt/airflow/dags
COPY --chown=airflow:0 plugins /opt/airflow/plugins
COPY --chown=airflow:0 include /opt/airflow/include


FROM platform AS rehearsal

COPY --chown=airflow:0 requirements-dev.txt /tmp/slipway/
RUN pip install --no-cache-dir --require-hashes --requirement /tmp/slipway/requirements-dev.txt \
    && rm -r /tmp/slipway

COPY --chown=airflow:0 rehearsal /opt/airflow/rehearsal
ENV PYTHONPATH=/opt/airflow/plugins:/opt/airflow

# A folder that belongs to the image's user, so that the volume mounted there does too.
RUN mkdir -p /opt/airflow/cloud
