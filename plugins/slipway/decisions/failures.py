"""Which class a failure is of, and when the task that met it is tried again.

AWS has some hundred error codes for a dozen situations, and CloudFormation tells of a failed resource in prose only.
The tables here are the one place that knows them. Sources: the common and service-specific errors of the EC2, EKS,
CloudFormation, IAM, S3 and KMS API references, botocore's own lists of throttling and transient codes, the handler
error codes of CloudFormation's resource providers, the issue codes of EKS node groups, and the API conventions of
Kubernetes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta

from slipway.model.errors import ErrorClass, Retry

_OF_CODE: dict[ErrorClass, frozenset[str]] = {
    ErrorClass.RETRY_LATER: frozenset(
        {
            "Throttling", "ThrottlingException", "ThrottledException", "RequestThrottledException", "RequestThrottled",
            "TooManyRequestsException", "RequestLimitExceeded", "BandwidthLimitExceeded", "SlowDown",
            "PriorRequestNotComplete", "EC2ThrottledException", "InternalError", "InternalFailure",
            "InternalServerError", "InternalServiceError", "InternalServerException", "ServerException", "Unavailable",
            "ServiceUnavailable", "ServiceUnavailableException", "ServiceException", "RequestTimeout",
            "RequestTimeoutException", "KMSInternalException", "InvalidRequestException", "DependencyTimeoutException",
        }
    ),
    ErrorClass.RETRY_NOW: frozenset(
        {
            "ResourceNotFoundException", "ResourceNotFound", "NoSuchEntity", "NoSuchEntityException", "NoSuchKey",
            "NotFoundException", "ChangeSetNotFound", "InvalidChangeSetStatus", "ConflictException",
            "ConcurrentModification", "ConcurrentModificationException", "OptimisticLockException",
            "PreconditionFailed", "ConditionalRequestConflict", "OperationAborted",
        }
    ),
    ErrorClass.CAPACITY: frozenset(
        {
            "InsufficientInstanceCapacity", "InsufficientHostCapacity", "InsufficientReservedInstanceCapacity",
            "InsufficientCapacity", "InsufficientVolumeCapacity", "SpotMaxPriceTooLow", "AsgInstanceLaunchFailures",
        }
    ),
    ErrorClass.DEPENDENCY: frozenset(
        {
            "DependencyViolation", "DeleteConflict", "DeleteConflictException", "ResourceInUse",
            "ResourceInUseException", "OperationInProgress", "OperationInProgressException", "IncorrectState",
            "BucketNotEmpty", "ScalingActivityInProgress", "VolumeInUse", "PodEvictionFailure", "ResourceConflict",
        }
    ),
    ErrorClass.EXPIRED: frozenset(
        {"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired", "ExpiredTokenFault"}
    ),
    ErrorClass.UNAUTHENTICATED: frozenset(
        {
            "UnrecognizedClientException", "InvalidClientTokenId", "SignatureDoesNotMatch", "InvalidAccessKeyId",
            "InvalidSignatureException", "IncompleteSignature", "MissingAuthenticationToken", "AuthFailure",
            "MissingAuthenticationTokenException", "RequestTimeTooSkewed", "RequestInTheFuture", "InvalidCredentials",
        }
    ),
    ErrorClass.DENIED: frozenset(
        {
            "AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "NotAuthorized", "UnauthorizedException",
            "NotAuthorizedException", "OptInRequired", "SubscriptionRequiredException",
        }
    ),
    ErrorClass.QUOTA: frozenset(
        {"TooManyBuckets", "InsufficientFreeAddresses", "InsufficientFreeAddressesInSubnet", "Ec2SubnetListTooLong"}
    ),
    ErrorClass.BAD_INPUT: frozenset(
        {
            "InvalidParameterException", "InvalidParameterValue", "InvalidParameterValueException",
            "InvalidParameterCombination", "InvalidParameter", "MalformedPolicyDocument", "InvalidRequest",
            "ValidationError", "ValidationException", "MissingParameter", "MalformedPolicyDocumentException",
            "UnsupportedAvailabilityZoneException", "UnsupportedOperation", "InvalidInput", "InvalidInputException",
        }
    ),
    ErrorClass.FOREIGN: frozenset({"BucketAlreadyExists"}),
}  # fmt: skip
_BY_CODE = {code: kind for kind, codes in _OF_CODE.items() for code in codes}
# Families: EC2 alone has a code per kind of resource.
_FAMILIES = (
    (re.compile(r"(Limit|Quota)s?Exceeded(Exception|Fault)?$"), ErrorClass.QUOTA),
    (re.compile(r"AlreadyExists|AlreadyOwnedByYou|Duplicate"), ErrorClass.RETRY_NOW),
    (re.compile(r"InUse(Exception)?$|HasDependencies"), ErrorClass.DEPENDENCY),
    (re.compile(r"NotFound(Exception|Fault)?$|^NoSuch"), ErrorClass.RETRY_NOW),
    (re.compile(r"^Malformed|^Invalid|^Missing"), ErrorClass.BAD_INPUT),
)
# What was made a moment ago is not known everywhere yet, or is still at work: the next try finds it.
_PASSING = (
    "could not be assumed", "cannot be assumed", "not authorized to assume", "does not exist", "_IN_PROGRESS state",
)  # fmt: skip

# Of prose: what CloudFormation and EKS say of a resource that failed. The first that fits counts.
_PROSE: tuple[tuple[re.Pattern[str], ErrorClass], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), kind)
    for pattern, kind in (
        (r"rate exceeded|throttl|HandlerErrorCode: (Throttling|ServiceInternalError|NetworkFailure|ServiceTimeout"
         r"|InternalFailure)|service ?unavailable|internal (failure|error)|please try again", ErrorClass.RETRY_LATER),
        (r"insufficient\w*capacity|(not|does not|do not) (currently )?have (enough|sufficient) .*capacity",
         ErrorClass.CAPACITY),
        (r"(limit|quota)s?\s?exceeded|exceed(s|ed)? (your|the|quota)|maximum number of|ServiceLimitExceeded"
         r"|insufficient ?free ?addresses", ErrorClass.QUOTA),
        (r"access ?denied|not authorized|UnauthorizedOperation|HandlerErrorCode: AccessDenied", ErrorClass.DENIED),
        (r"dependent object|DependencyViolation|has dependencies|is currently in use|cannot be deleted while"
         r"|PodEvictionFailure|HandlerErrorCode: ResourceConflict|is not empty", ErrorClass.DEPENDENCY),
        (r"already exists|HandlerErrorCode: AlreadyExists", ErrorClass.FOREIGN),
        (r"HandlerErrorCode: InvalidRequest|validation error|is not valid|invalid parameter", ErrorClass.BAD_INPUT),
    )
)  # fmt: skip

# After a failure that a moment mends, in seconds.
SOON = (1.0, 5.0)
# After one that takes time: this much after the first try, twice as much after each further, and never more than that.
FIRST_DELAY = 20.0
LONGEST_DELAY = 300.0


def of_aws(code: str, message: str = "", status: int = 0) -> ErrorClass:
    """Class of an error of an AWS API.

    :param code: AWS's error code, such as ``DependencyViolation``.
    :param status: HTTP status, for codes that nobody has listed.
    """
    code = code.removeprefix("Client.").removeprefix("Server.")
    found = _BY_CODE.get(code)
    if found is None:
        found = next((kind for pattern, kind in _FAMILIES if pattern.search(code)), None)
    if found is ErrorClass.BAD_INPUT and any(phrase in message for phrase in _PASSING):
        return ErrorClass.RETRY_LATER
    return found or _of_status(status)


def of_kubernetes(status: int, reason: str = "", message: str = "") -> ErrorClass:
    """Class of an error of the Kubernetes API.

    :param status: HTTP status; 0 when the API could not be reached.
    :param reason: the status object's ``reason``, such as ``Forbidden``.
    """
    said = message.lower()
    if "failed calling webhook" in said or "failed to call webhook" in said:
        return ErrorClass.WEBHOOK
    if "being terminated" in said or "disruption budget" in said:
        return ErrorClass.DEPENDENCY
    if "exceeded quota" in said:
        return ErrorClass.QUOTA
    if status == 403 and ("denied the request" in said or "violates podsecurity" in said):
        return ErrorClass.BAD_INPUT
    if "failed to create typed patch object" in said or status in {400, 405, 413, 415, 422}:
        return ErrorClass.BAD_INPUT
    if "conflict with" in said and "apply failed" in said:
        return ErrorClass.FOREIGN
    if status in {404, 409, 410}:
        return ErrorClass.RETRY_NOW
    return ErrorClass.RETRY_LATER if status == 0 else _of_status(status)


def of_reasons(reasons: Sequence[str]) -> ErrorClass:
    """Class of a resource that failed, by what CloudFormation or EKS says of it; stuck unless one says better."""
    for reason in reasons:
        for pattern, kind in _PROSE:
            if pattern.search(reason):
                return kind
    return ErrorClass.STUCK


def _of_status(status: int) -> ErrorClass:
    if status == 429 or status >= 500:
        return ErrorClass.RETRY_LATER
    return {401: ErrorClass.UNAUTHENTICATED, 403: ErrorClass.DENIED}.get(status, ErrorClass.UNCLASSIFIED)


def delay(error_class: ErrorClass, try_number: int, roll: float) -> timedelta | None:
    """How long until a task is tried again; ``None`` when trying again is of no use, or Airflow's own rules go.

    :param try_number: the try that failed, from 1.
    :param roll: a number from 0 to 1. Tasks that one throttling hit together must not all come back together, so half
        of a delay is left to it.
    """
    retry = error_class.rule.retry
    if retry is Retry.NOW or (retry is Retry.ONCE and try_number == 1):
        return timedelta(seconds=SOON[0] + (SOON[1] - SOON[0]) * roll)
    if retry is Retry.LATER:
        longest = min(LONGEST_DELAY, FIRST_DELAY * 2 ** (try_number - 1))
        return timedelta(seconds=longest * (1 + roll) / 2)
    return None
