"""The one exception that becomes an AWS error response."""

from __future__ import annotations

from typing import Any


class AwsError(Exception):
    """An error as a service's model declares it.

    :param code: the error's name, e.g. ``ResourceNotFoundException``.
    :param message: what was found, what is allowed and how to mend it.
    :param members: further members of the error's shape, e.g. ``clusterName``.
    """

    def __init__(self, code: str, message: str, **members: Any) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        for name, value in members.items():
            setattr(self, name, value)


def not_found(message: str, **members: Any) -> AwsError:
    """``ResourceNotFoundException``."""
    return AwsError("ResourceNotFoundException", message, **members)


def in_use(message: str, **members: Any) -> AwsError:
    """``ResourceInUseException``."""
    return AwsError("ResourceInUseException", message, **members)


def invalid_parameter(message: str, **members: Any) -> AwsError:
    """``InvalidParameterException``."""
    return AwsError("InvalidParameterException", message, **members)


def invalid_request(message: str, **members: Any) -> AwsError:
    """``InvalidRequestException``."""
    return AwsError("InvalidRequestException", message, **members)
