"""CloudFormation's own errors, with the codes and wording that callers match on."""

from __future__ import annotations

from moto.core.exceptions import ServiceException


class CloudFormationError(ServiceException):  # type: ignore[misc]  # moto ships no types
    """An error that becomes an AWS error response.

    :param message: what was found, what is allowed and how to mend it.
    """

    code = "ValidationError"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class ValidationError(CloudFormationError):
    """The request, the template or a parameter is not acceptable."""


class AlreadyExists(CloudFormationError):
    """A stack of that name exists."""

    code = "AlreadyExistsException"


class ChangeSetNotFound(CloudFormationError):
    """No change set of that name."""

    code = "ChangeSetNotFound"


class InvalidChangeSetStatus(CloudFormationError):
    """The change set cannot be executed in its present status."""

    code = "InvalidChangeSetStatus"


class InsufficientCapabilities(CloudFormationError):
    """The template makes IAM resources and the caller did not acknowledge it."""

    code = "InsufficientCapabilitiesException"


class ResourceFailed(Exception):
    """A resource could not be made, changed or deleted; the stack reports it as its status reason."""
