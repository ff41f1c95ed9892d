"""Records of runs in the artefact bucket."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError
from slipway.hooks import records
from slipway.hooks.aws import code_of, explained
from slipway.hooks.records import RecordsHook
from slipway.model.errors import ConfigurationError, RefusedError
from slipway.model.platform import Platform

from tests.rehearsal.infrastructure.conftest import Aws


def test_records_are_written_read_and_listed(aws: Aws, platform: Platform) -> None:
    hook = RecordsHook(platform)
    key = hook.run_key("manual__1", "checks", "kafka.json")
    assert hook.get_json(key) is None
    assert hook.list("runs/") == []
    aws.client("s3").create_bucket(Bucket=platform.bucket)
    assert hook.get_json(key) is None
    assert hook.put_json(key, {"written": 1000, "name": "größer"}) == f"s3://{platform.bucket}/{key}"
    hook.put_json(hook.run_key("manual__2", "plan.json"), [])
    assert hook.get_json(key) == {"written": 1000, "name": "größer"}
    assert hook.list("runs/manual__1/") == [key]


def test_a_record_too_large_is_refused_before_it_is_sent(
    aws: Aws, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "MAX_BYTES", 10)
    with pytest.raises(ConfigurationError, match=r"runs/x\.json: found 23 bytes; allowed: 10 bytes"):
        RecordsHook(platform).put_json("runs/x.json", ["0123456789012345"])


def test_writing_without_a_bucket_fails(aws: Aws, platform: Platform) -> None:
    with pytest.raises(ClientError) as failed:
        RecordsHook(platform).put_json("runs/x.json", 1)
    assert code_of(failed.value) == "NoSuchBucket"


def error(code: str, message: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "CreateCluster")


@pytest.mark.parametrize(
    ("raised", "expected", "words"),
    [
        (error("AccessDeniedException", "no"), RefusedError, "allow CreateCluster in the IAM policy"),
        (error("InvalidParameterException", "bad CIDR"), RefusedError, "bad CIDR"),
        (error("InvalidParameterException", "Role could not be assumed"), ClientError, "could not be assumed"),
        (error("ThrottlingException", "slow down"), ClientError, "slow down"),
    ],
)
def test_only_what_no_retry_mends_is_final(raised: ClientError, expected: type[Exception], words: str) -> None:
    with pytest.raises(expected, match=words), explained():
        raise raised
