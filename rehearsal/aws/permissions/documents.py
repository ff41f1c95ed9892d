"""Policy documents out of a CloudFormation template, or out of a JSON file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from moto.core import DEFAULT_ACCOUNT_ID

from rehearsal.aws.cloudformation.intrinsics import evaluate
from rehearsal.aws.cloudformation.template import read
from rehearsal.aws.permissions.evaluate import Statement, statements_of

_PSEUDO = {"AWS::AccountId": DEFAULT_ACCOUNT_ID, "AWS::Partition": "aws", "AWS::URLSuffix": "amazonaws.com"}


def load(path: Path, parameters: Mapping[str, str], region: str) -> list[Statement]:
    """Statements of a file: a policy document, or all managed policies of a template.

    :param parameters: of the template.
    :param region: what ``AWS::Region`` stands for.
    :raises PolicyError: something in it is not evaluated here.
    :raises ValueError: the file holds no policy.
    """
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".json":
        return statements_of(json.loads(text), path.stem)
    found = [
        statement
        for name, document in managed_policies(text, parameters, region).items()
        for statement in statements_of(document, name)
    ]
    if not found:
        raise ValueError(f"{path} holds no AWS::IAM::ManagedPolicy")
    return found


def managed_policies(body: str, parameters: Mapping[str, str], region: str) -> dict[str, dict[str, Any]]:
    """Documents of a template's managed policies by logical id, resolved."""
    template = read(body, parameters, {**_PSEUDO, "AWS::Region": region})
    return {
        name: evaluate(resource["Properties"]["PolicyDocument"], template)
        for name, resource in template.resources.items()
        if resource["Type"] == "AWS::IAM::ManagedPolicy"
    }
