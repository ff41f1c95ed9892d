"""What keeps AWS from answering ends in an error that says what to do, and no other error is dressed up as one."""

from __future__ import annotations

import pytest
from botocore import exceptions
from botocore.exceptions import ClientError
from slipway.hooks.account import answering, known_instance_types
from slipway.model.errors import RefusedError


def client_error(code: str, message: str = "said so") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "GetCallerIdentity")


CASES = {
    "none": (exceptions.NoCredentialsError(), "give the Airflow connection"),
    "half": (exceptions.PartialCredentialsError(provider="env", cred_var="secret"), "give the Airflow connection"),
    "role": (exceptions.CredentialRetrievalError(provider="x", error_msg="y"), "give the Airflow connection"),
    "expired": (client_error("ExpiredToken"), "renew the credentials"),
    "unknown key": (client_error("InvalidClientTokenId"), "renew the credentials"),
    "clock": (client_error("SignatureDoesNotMatch"), "check this machine's clock"),
    "region off": (client_error("AuthFailure"), "enable the region"),
    "denied": (client_error("AccessDenied"), "allow GetCallerIdentity in the IAM policy"),
    "no route": (exceptions.EndpointConnectionError(endpoint_url="https://x"), "check the network, proxy"),
    "slow": (exceptions.ReadTimeoutError(endpoint_url="https://x"), "check the network, proxy"),
    "certificate": (exceptions.SSLError(endpoint_url="https://x", error="y"), "check the network, proxy"),
}


@pytest.mark.parametrize("case", CASES)
def test_actionable(case: str) -> None:
    error, mend = CASES[case]
    with pytest.raises(RefusedError, match="AWS connection aws_default") as caught, answering("us-east-1"):
        raise error
    assert mend in str(caught.value)
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("error", [client_error("InternalError"), ValueError("x")])
def test_any_other_error_stays_itself(error: Exception) -> None:
    with pytest.raises(type(error)) as caught, answering("us-east-1"):
        raise error
    assert caught.value is error


def test_instance_types_are_known_without_a_call() -> None:
    assert {"t3.large", "m7g.large"} <= known_instance_types()
    assert "t3.lrage" not in known_instance_types()
