"""The one way to AWS: the ``aws_default`` connection, one retry policy, one reading of errors."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook
from boto3 import Session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.loaders import create_loader

from slipway.decisions.failures import of_aws
from slipway.hooks.answers import watch
from slipway.model.errors import ErrorClass, Problem, RefusedError, Retry

CONNECTION_ID = "aws_default"
# Standard mode retries throttling and transient errors with backoff and jitter; EKS and CloudFormation throttle
# early when several runs share an account, hence more attempts than the default three.
RETRIES: dict[str, Any] = {
    "retries": {"mode": "standard", "max_attempts": 10},
    "connect_timeout": 10,
    "read_timeout": 60,
}

DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthFailure", "NotAuthorized"})

# For modules that handle errors of AWS without talking to it.
AwsError = ClientError

# Asking again may help: the network, or AWS itself.
TRANSIENT_ERRORS: tuple[type[Exception], ...] = (ClientError, BotoCoreError, OSError)

# Parsing the service models takes most of the time that a client takes to make.
_MODELS = create_loader()


class ClientMixin:
    """What our hooks change of the provider's: retries, unreadable answers, and two things that make a client slow.

    The retry policy lies beneath whatever the connection's ``config_kwargs`` say.
    """

    @property
    def config(self) -> Config:
        """Client configuration: ours, overlaid with the connection's."""
        return Config(**RETRIES).merge(super().config)  # type: ignore[misc]

    def get_session(self, *args: Any, **kwargs: Any) -> Any:
        """The provider's session, which reads AWS' service models once per process and not once per client."""
        session = super().get_session(*args, **kwargs)  # type: ignore[misc]
        # The asynchronous session has a loader of its own kind.
        if isinstance(session, Session):
            session._session.register_component("data_loader", _MODELS)
        watch(session)
        return session

    def _get_caller(self, target_function_name: str = "execute") -> str:
        """Who calls, for the user agent.

        The provider finds out by ``inspect.stack()``, which reads the source of every module on the stack, several
        times: it was a third of what a task of a deploy cost.
        """
        return "Slipway"


class AwsHook(ClientMixin, AwsBaseHook):
    """Client of one AWS service in one region."""

    def __init__(self, service: str, region: str) -> None:
        super().__init__(aws_conn_id=CONNECTION_ID, client_type=service, region_name=region)


class OnceHook(AwsHook):
    """A client that sends every request once.

    For what AWS makes anew each time it is asked and knows no token for, such as a snapshot: after a lost answer,
    botocore's second request would make a second one. Whoever asks looks for what was made before asking again.
    """

    @property
    def config(self) -> Config:
        """The usual one without retries."""
        return super().config.merge(Config(retries={"mode": "standard", "total_max_attempts": 1}))


# Building a client costs up to a second; credentials of a connection may change under a long-lived process.
CLIENT_LIFETIME_SECONDS = 900


def client(service: str, region: str) -> Any:
    """Client of a service in a region, shared within the process for a quarter of an hour; safe for threads."""
    return _client(service, region, int(time.monotonic() // CLIENT_LIFETIME_SECONDS))


def forget_clients() -> None:
    """Build every client anew when it is next asked for, with the connection's credentials of then."""
    _client.cache_clear()


@lru_cache(maxsize=32)
def _client(service: str, region: str, period: int) -> Any:
    return AwsHook(service, region).conn


def code_of(error: BaseException | None) -> str:
    """Error code of an AWS error, empty for any other."""
    return str(error.response["Error"]["Code"]) if isinstance(error, ClientError) else ""


def message_of(error: BaseException) -> str:
    """Message of an AWS error as AWS wrote it."""
    return str(error.response["Error"]["Message"]) if isinstance(error, ClientError) else str(error)


@contextmanager
def explained() -> Iterator[None]:
    """Turn refusals of AWS that no retry mends into errors that name the action and the mend.

    :raises RefusedError: access was denied, a quota is used up, AWS calls the request invalid, or the like.
    """
    try:
        yield
    except ClientError as error:
        code, action = code_of(error), error.operation_name
        kind = of_aws(code, message_of(error))
        if kind.rule.retry is not Retry.NEVER:
            raise
        allowed, mend = _MENDS.get(kind, ("what AWS accepts", kind.rule.mend))
        problem = Problem(f"AWS {action}", "", f"{code}: {message_of(error)}", allowed, mend.format(action=action))
        raise RefusedError(problem, kind) from error


_MENDS = {
    ErrorClass.DENIED: (
        "a principal that may call it",
        f"allow {{action}} in the IAM policy of the connection {CONNECTION_ID}, then clear the task",
    ),
    ErrorClass.BAD_INPUT: (
        "a request that AWS accepts",
        "correct what the message names in include/environments, then clear the task",
    ),
    ErrorClass.QUOTA: (
        "what the account's quota leaves",
        "ask for more with aws service-quotas request-service-quota-increase, or free some; then clear the task",
    ),
}


def tags_of(pairs: list[dict[str, str]]) -> dict[str, str]:
    """Tags given as ``Key``/``Value`` pairs, as a mapping."""
    return {pair["Key"]: pair["Value"] for pair in pairs}


def pairs_of(tags: dict[str, str]) -> list[dict[str, str]]:
    """Tags as ``Key``/``Value`` pairs, sorted so that requests are equal when tags are."""
    return [{"Key": key, "Value": value} for key, value in sorted(tags.items())]
