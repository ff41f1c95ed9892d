"""boto3 clients that reach moto inside this process, without HTTP.

The EKS emulation looks up subnets, roles and images and creates instances as any other caller would, so it
depends on moto's public face (the AWS APIs) and not on moto's internals.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import boto3
from botocore.config import Config
from moto.core.botocore_stubber import BotocoreStubber

_ACCESS_KEY = "rehearsal"


@lru_cache(maxsize=64)
def client(service: str, region: str, access_key: str = _ACCESS_KEY) -> Any:
    """A boto3 client of ``service`` in ``region`` whose requests are answered by moto in this thread."""
    session = boto3.Session(aws_access_key_id=access_key, aws_secret_access_key=_ACCESS_KEY)
    # An endpoint set for this process's clients would lead the requests out of the process and back in.
    config = Config(ignore_configured_endpoint_urls=True, retries={"total_max_attempts": 1}, parameter_validation=False)
    made = session.client(service, region_name=region, config=config)
    stubber = BotocoreStubber()
    stubber.enabled = True
    made.meta.events.register("before-send", stubber)
    return made
