"""Failures: which class they are of, whether their task is tried again, and what is told of them."""

from __future__ import annotations

import json
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.definitions.retry_policy import RetryAction
from airflow.sdk.exceptions import AirflowFailException, TaskDeferralError
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError, ReadTimeoutError
from hypothesis import given
from hypothesis import strategies as st
from slipway.decisions.failures import LONGEST_DELAY, delay, of_aws, of_kubernetes, of_reasons
from slipway.hooks.answers import UNREADABLE
from slipway.hooks.failures import read
from slipway.hooks.kubernetes_async import KubernetesApiError
from slipway.model.errors import (
    RULES,
    ConfigurationError,
    ErrorClass,
    LeaseLostError,
    Problem,
    RefusedError,
    Retry,
    StuckError,
)
from slipway.operators.failures import FailurePolicy, failure_of

PROBLEM = Problem("AWS::EKS::Cluster slipway-dev", "tags", "none", "ours", "rename the environment")


def aws(code: str, message: str = "", status: int = 400, operation: str = "CreateCluster") -> ClientError:
    body: Any = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(body, operation)


def kubernetes(status: int, message: str = "", reason: str = "", causes: Any = ()) -> KubernetesApiError:
    return KubernetesApiError(
        "PATCH", "/x", status, {"message": message, "reason": reason, "details": {"causes": list(causes)}}
    )


@pytest.mark.parametrize(
    ("code", "message", "status", "expected"),
    [
        ("ThrottlingException", "", 400, ErrorClass.RETRY_LATER),
        ("RequestLimitExceeded", "", 503, ErrorClass.RETRY_LATER),
        ("NobodyListedThis", "", 503, ErrorClass.RETRY_LATER),
        ("NobodyListedThis", "", 400, ErrorClass.UNCLASSIFIED),
        ("NobodyListedThis", "", 403, ErrorClass.DENIED),
        ("ResourceLimitExceededException", "", 400, ErrorClass.QUOTA),
        ("VpcLimitExceeded", "", 400, ErrorClass.QUOTA),
        ("ServiceQuotaExceededException", "", 402, ErrorClass.QUOTA),
        ("InsufficientInstanceCapacity", "", 500, ErrorClass.CAPACITY),
        ("DependencyViolation", "", 400, ErrorClass.DEPENDENCY),
        ("ResourceInUseException", "", 409, ErrorClass.DEPENDENCY),
        ("InvalidVolume.NotFound", "", 400, ErrorClass.RETRY_NOW),
        ("EntityAlreadyExists", "", 409, ErrorClass.RETRY_NOW),
        ("BucketAlreadyExists", "", 409, ErrorClass.FOREIGN),
        ("ExpiredTokenException", "", 400, ErrorClass.EXPIRED),
        ("SignatureDoesNotMatch", "", 403, ErrorClass.UNAUTHENTICATED),
        ("Client.UnauthorizedOperation", "", 403, ErrorClass.DENIED),
        ("InvalidParameterException", "bad CIDR", 400, ErrorClass.BAD_INPUT),
        ("InvalidParameterException", "Role could not be assumed", 400, ErrorClass.RETRY_LATER),
        ("ValidationError", "Stack is in UPDATE_IN_PROGRESS state", 400, ErrorClass.RETRY_LATER),
        ("UnsupportedAvailabilityZoneException", "us-east-1e", 400, ErrorClass.BAD_INPUT),
    ],
)
def test_codes_of_aws(code: str, message: str, status: int, expected: ErrorClass) -> None:
    assert of_aws(code, message, status) is expected


@pytest.mark.parametrize(
    ("status", "message", "expected"),
    [
        (0, "could not be reached", ErrorClass.RETRY_LATER),
        (429, "slow down", ErrorClass.RETRY_LATER),
        (429, "Cannot evict pod as it would violate the pod's disruption budget.", ErrorClass.DEPENDENCY),
        (500, "etcdserver: request timed out", ErrorClass.RETRY_LATER),
        (500, 'Internal error occurred: failed calling webhook "x"', ErrorClass.WEBHOOK),
        (500, "failed to create typed patch object", ErrorClass.BAD_INPUT),
        (403, "exceeded quota: compute, requested: pods=1", ErrorClass.QUOTA),
        (403, "pods is forbidden: violates PodSecurity", ErrorClass.BAD_INPUT),
        (403, "unable to create new content in namespace x because it is being terminated", ErrorClass.DEPENDENCY),
        (403, "User cannot patch resource", ErrorClass.DENIED),
        (401, "Unauthorized", ErrorClass.UNAUTHENTICATED),
        (409, "the object has been modified", ErrorClass.RETRY_NOW),
        (410, "too old resource version", ErrorClass.RETRY_NOW),
        (422, "Invalid value", ErrorClass.BAD_INPUT),
    ],
)
def test_statuses_of_kubernetes(status: int, message: str, expected: ErrorClass) -> None:
    assert of_kubernetes(status, "", message) is expected
    assert kubernetes(status, message).error_class is expected


def test_fields_of_another_manager_are_foreign() -> None:
    causes = [{"reason": "FieldManagerConflict", "message": 'conflict with "them"', "field": ".spec.replicas"}]
    assert read(kubernetes(409, "Apply failed", causes=causes)).error_class is ErrorClass.FOREIGN


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("Vpc (AWS::EC2::VPC): The maximum number of VPCs has been reached.", ErrorClass.QUOTA),
        ("Group (AWS::Logs::LogGroup): /aws/eks/x/cluster already exists", ErrorClass.FOREIGN),
        ("Resource handler returned message: Rate exceeded (HandlerErrorCode: Throttling)", ErrorClass.RETRY_LATER),
        ("AsgInstanceLaunchFailures: We currently do not have sufficient t3.large capacity", ErrorClass.CAPACITY),
        ("Subnet (AWS::EC2::Subnet): has dependencies and cannot be deleted", ErrorClass.DEPENDENCY),
        ("Role (AWS::IAM::Role): is not authorized to perform: iam:CreateRole", ErrorClass.DENIED),
        ("NodeCreationFailure: Instances failed to join the cluster", ErrorClass.STUCK),
    ],
)
def test_prose_of_failed_resources(reason: str, expected: ErrorClass) -> None:
    assert of_reasons([reason]) is expected
    assert read(StuckError("stack x", "ROLLBACK_COMPLETE", [reason], "mend it")).error_class is expected


def wrapped(cause: BaseException) -> BaseException:
    try:
        raise AirflowFailException(str(cause)) from cause
    except AirflowFailException as error:
        return error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ConfigurationError([PROBLEM]), ErrorClass.BAD_INPUT),
        (RefusedError(PROBLEM), ErrorClass.REFUSED),
        (RefusedError(PROBLEM, ErrorClass.FOREIGN), ErrorClass.FOREIGN),
        (LeaseLostError("gone"), ErrorClass.LOST_LEASE),
        (StuckError("x", "FAILED", [], "mend"), ErrorClass.STUCK),
        (aws(UNREADABLE, status=503), ErrorClass.UNKNOWN_OUTCOME),
        (EndpointConnectionError(endpoint_url="x"), ErrorClass.RETRY_LATER),
        (ReadTimeoutError(endpoint_url="x"), ErrorClass.UNKNOWN_OUTCOME),
        (NoCredentialsError(), ErrorClass.UNAUTHENTICATED),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "no"), ErrorClass.UNKNOWN_OUTCOME),
        (ConnectionResetError(), ErrorClass.RETRY_LATER),
        (TaskDeferralError("Trigger failure"), ErrorClass.RETRY_LATER),
        (SystemExit(1), ErrorClass.UNKNOWN_OUTCOME),
        (AirflowFailException("the gate is red"), ErrorClass.VERDICT),
        (wrapped(RefusedError(PROBLEM, ErrorClass.FOREIGN)), ErrorClass.FOREIGN),
        (wrapped(aws("ThrottlingException")), ErrorClass.RETRY_LATER),
        (KeyError("cluster"), ErrorClass.UNCLASSIFIED),
        (FileNotFoundError(2, "no such file"), ErrorClass.UNCLASSIFIED),
    ],
)
def test_exceptions(error: BaseException, expected: ErrorClass) -> None:
    assert read(error).error_class is expected


def test_the_official_clients_error() -> None:
    class ApiException(Exception):
        status, reason = 500, "Internal Server Error"
        body = json.dumps({"message": 'failed calling webhook "x"'})

    assert read(ApiException()).error_class is ErrorClass.WEBHOOK


def test_every_class_has_a_rule_and_says_what_to_do() -> None:
    assert set(RULES) == set(ErrorClass)
    assert all(rule.meaning and rule.clear and rule.mend for rule in RULES.values())


@given(st.sampled_from(ErrorClass), st.integers(1, 20), st.floats(0, 1))
def test_delays(kind: ErrorClass, try_number: int, roll: float) -> None:
    found = delay(kind, try_number, roll)
    match kind.rule.retry:
        case Retry.NEVER | Retry.USUAL:
            assert found is None
        case Retry.ONCE:
            assert (found is not None) == (try_number == 1)
        case Retry.NOW:
            assert found is not None
            assert timedelta(seconds=1) <= found <= timedelta(seconds=5)
        case Retry.LATER:
            assert found is not None
            assert timedelta(seconds=10) <= found <= timedelta(seconds=LONGEST_DELAY)


@pytest.mark.parametrize(
    ("error", "try_number", "action"),
    [
        (aws("ThrottlingException"), 2, RetryAction.RETRY),
        (aws("AccessDeniedException"), 1, RetryAction.FAIL),
        (aws("ExpiredTokenException"), 1, RetryAction.RETRY),
        (aws("ExpiredTokenException"), 2, RetryAction.FAIL),
        (StuckError("x", "FAILED", [], "mend"), 1, RetryAction.FAIL),
        (StuckError("x", "FAILED", ["Rate exceeded"], "mend"), 1, RetryAction.RETRY),
        (KeyError("cluster"), 1, RetryAction.DEFAULT),
    ],
)
def test_the_policy(error: BaseException, try_number: int, action: RetryAction) -> None:
    decision = FailurePolicy().evaluate(error, try_number, 2)
    assert decision.action is action
    assert (decision.retry_delay is not None) == (action is RetryAction.RETRY)


def test_what_is_told_names_the_call_the_task_the_class_and_the_next_step() -> None:
    instance = SimpleNamespace(task_id="infrastructure.cluster", dag_id="platform_deploy", try_number=1)
    told = str(
        failure_of(aws("AccessDeniedException", "not allowed"), {"ti": instance, "params": {"environment": "dev"}})
    )
    assert "Doing: AWS CreateCluster, in infrastructure.cluster of slipway-dev, try 1" in told
    assert "Why: AccessDeniedException: not allowed" in told
    assert "Class: denied (the principal may not do this)" in told
    assert "Safe to clear: yes, once that is mended" in told
    assert "airflow tasks clear --yes --task-regex '^infrastructure.cluster$' platform_deploy" in told


def test_a_process_that_ended_without_a_word() -> None:
    failure = failure_of(None, {"params": {}})
    assert failure.error_class is ErrorClass.UNKNOWN_OUTCOME
    assert "killed" in failure.why
