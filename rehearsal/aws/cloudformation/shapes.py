"""Our data as the API's output shapes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rehearsal.aws.cloudformation.model import ChangeSet, Event, Resource, Stack, at


def _present(**members: Any) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


def _pairs(values: Mapping[str, Any], key: str, value: str) -> list[dict[str, Any]]:
    return [{key: name, value: item} for name, item in values.items()]


def stack(found: Stack) -> dict[str, Any]:
    """``Stack``."""
    return _present(
        StackId=found.id,
        StackName=found.name,
        Description=found.description,
        Parameters=_pairs(found.parameters, "ParameterKey", "ParameterValue"),
        CreationTime=at(found.created),
        LastUpdatedTime=at(found.updated) if found.updated else None,
        DeletionTime=at(found.deleted) if found.deleted else None,
        StackStatus=found.status,
        StackStatusReason=found.reason,
        DisableRollback=found.on_failure == "DO_NOTHING",
        Capabilities=found.capabilities,
        Outputs=found.outputs,
        NotificationARNs=found.notification_arns,
        RoleARN=found.role_arn,
        Tags=_pairs(found.tags, "Key", "Value"),
        EnableTerminationProtection=found.protected,
        DriftInformation=_drift_information(found),
    )


def stack_summary(found: Stack) -> dict[str, Any]:
    """``StackSummary``."""
    return _present(
        StackId=found.id,
        StackName=found.name,
        TemplateDescription=found.description,
        CreationTime=at(found.created),
        LastUpdatedTime=at(found.updated) if found.updated else None,
        DeletionTime=at(found.deleted) if found.deleted else None,
        StackStatus=found.status,
        StackStatusReason=found.reason,
        DriftInformation=_drift_information(found),
    )


def _drift_information(found: Stack) -> dict[str, Any]:
    if not found.drift:
        return {"StackDriftStatus": "NOT_CHECKED"}
    return {
        "StackDriftStatus": found.drift["StackDriftStatus"],
        "LastCheckTimestamp": found.drift["Timestamp"],
    }


def event(owner: Stack, found: Event) -> dict[str, Any]:
    """``StackEvent``."""
    return _present(
        StackId=owner.id,
        StackName=owner.name,
        EventId=found.event_id,
        LogicalResourceId=found.logical_id,
        PhysicalResourceId=found.physical_id,
        ResourceType=found.type,
        Timestamp=at(found.moment),
        ResourceStatus=found.status,
        ResourceStatusReason=found.reason,
    )


def resource_summary(found: Resource) -> dict[str, Any]:
    """``StackResourceSummary``."""
    return _present(
        LogicalResourceId=found.logical_id,
        PhysicalResourceId=found.physical_id,
        ResourceType=found.type,
        LastUpdatedTimestamp=at(found.moment),
        ResourceStatus=found.status,
        ResourceStatusReason=found.reason,
    )


def resource(owner: Stack, found: Resource) -> dict[str, Any]:
    """``StackResource``."""
    summary = resource_summary(found)
    summary["Timestamp"] = summary.pop("LastUpdatedTimestamp")
    return {"StackName": owner.name, "StackId": owner.id, **summary}


def resource_detail(owner: Stack, found: Resource) -> dict[str, Any]:
    """``StackResourceDetail``."""
    return {"StackName": owner.name, "StackId": owner.id, **resource_summary(found)}


def change_set_summary(owner: Stack, found: ChangeSet) -> dict[str, Any]:
    """``ChangeSetSummary``."""
    return _present(
        StackId=owner.id,
        StackName=owner.name,
        ChangeSetId=found.id,
        ChangeSetName=found.name,
        ExecutionStatus=_execution_status(owner, found),
        Status=found.status,
        StatusReason=found.reason,
        CreationTime=at(found.created),
        Description=found.description,
    )


def _execution_status(owner: Stack, found: ChangeSet) -> str:
    if found.execution_status != "EXECUTE_COMPLETE":
        return found.execution_status
    if owner.operation is not None:
        return "EXECUTE_IN_PROGRESS"
    return "EXECUTE_FAILED" if "ROLLBACK" in owner.status or "FAILED" in owner.status else "EXECUTE_COMPLETE"


def change_set(owner: Stack, found: ChangeSet) -> dict[str, Any]:
    """``DescribeChangeSetOutput``."""
    return {
        **change_set_summary(owner, found),
        "Parameters": _pairs(found.parameters, "ParameterKey", "ParameterValue"),
        "Tags": _pairs(found.tags, "Key", "Value"),
        "Capabilities": found.capabilities,
        "NotificationARNs": found.notification_arns,
        "Changes": found.changes,
    }


def _parameters(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        _present(
            ParameterKey=name,
            ParameterType=spec["Type"],
            DefaultValue=str(spec["Default"]) if "Default" in spec else None,
            Description=spec.get("Description"),
            NoEcho=bool(spec.get("NoEcho", False)),
        )
        for name, spec in document.get("Parameters", {}).items()
    ]


def _capabilities(document: Mapping[str, Any]) -> list[str]:
    iam = [found for found in document["Resources"].values() if found["Type"].startswith("AWS::IAM::")]
    if not iam:
        return []
    named = any("RoleName" in found.get("Properties", {}) for found in iam)
    return ["CAPABILITY_NAMED_IAM" if named else "CAPABILITY_IAM"]


def template_summary(document: Mapping[str, Any]) -> dict[str, Any]:
    """``GetTemplateSummaryOutput``."""
    return _present(
        Parameters=_parameters(document),
        Description=document.get("Description"),
        Capabilities=_capabilities(document),
        ResourceTypes=sorted({found["Type"] for found in document["Resources"].values()}),
        Version=document.get("AWSTemplateFormatVersion"),
    )


def validated_template(document: Mapping[str, Any]) -> dict[str, Any]:
    """``ValidateTemplateOutput``."""
    parameters = [{k: v for k, v in p.items() if k != "ParameterType"} for p in _parameters(document)]
    return _present(
        Parameters=parameters, Description=document.get("Description"), Capabilities=_capabilities(document)
    )
