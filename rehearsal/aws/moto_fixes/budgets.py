"""Budgets: moto forgets the tags that a budget is made with, and cannot be asked for them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from moto.budgets.responses import BudgetsResponse

from rehearsal.aws.moto_fixes.wrapping import around


def install() -> None:
    """Keep the tags, and answer ListTagsForResource."""
    around(BudgetsResponse, "create_budget", _create_budget)
    BudgetsResponse.list_tags_for_resource = _list_tags


def _create_budget(original: Callable[..., Any], response: Any) -> Any:
    answer = original(response)
    budget = _find(response, response._get_param("AccountId"), response._get_param("Budget")["BudgetName"])
    budget.resource_tags = response._get_param("ResourceTags") or []
    return answer


def _list_tags(response: Any) -> str:
    arn = response._get_param("ResourceARN")
    budget = _find(response, arn.split(":")[4], arn.partition(":budget/")[2])
    return json.dumps({"ResourceTags": getattr(budget, "resource_tags", [])})


def _find(response: Any, account: str, name: str) -> Any:
    # Raises moto's own NotFoundException.
    response.backend.describe_budget(account, name)
    return response.backend.budgets[account][name]
