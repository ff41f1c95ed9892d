"""Secrets of components: generated once into AWS Secrets Manager, which stays the place they live.

Values are returned to the caller and never logged; Airflow is told to mask them all the same.
"""

from __future__ import annotations

import base64
import json
import secrets as random
import string
import time
from typing import Any

from airflow.sdk.log import mask_secret
from botocore.exceptions import ClientError

from slipway.hooks.aws import client, code_of, explained, pairs_of, tags_of
from slipway.hooks.certificates import new_pair, serves, utc_now
from slipway.model.component import Component, Secret, SecretKey
from slipway.model.errors import ErrorClass, Problem, RefusedError, StuckError
from slipway.model.platform import Platform
from slipway.model.records import Action, Change

# Safe in shells, URLs and configuration files without quoting.
ALPHABET = string.ascii_letters + string.digits
# A name that was just restored or deleted takes Secrets Manager a few seconds to settle.
SETTLING_ATTEMPTS = 10
SETTLING_SECONDS = 1.0


class SecretsHook:
    """The secrets of one platform's components."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.client: Any = client("secretsmanager", platform.region)

    def secret_id(self, component: Component, secret: Secret) -> str:
        """Name in Secrets Manager."""
        return f"{self.platform.name}/{component.name}/{secret.name}"

    def ensure(self, component: Component, secret: Secret) -> tuple[dict[str, str], Change]:
        """Return a secret's values, made now if they never were, and what was done.

        Existing values are kept for ever: the data they protect was made with them.

        :raises RefusedError: a secret of that name exists and is not this platform's.
        """
        name = self.secret_id(component, secret)
        with explained():
            found = self._describe(name)
            restored = bool(found and found.get("DeletedDate"))
            if restored:
                self.client.restore_secret(SecretId=name)
            if found is None:
                values = _complete(secret, {})
                _mask(secret, values)
                tags = {**self.platform.tags, "slipway:component": component.name}
                self.client.create_secret(
                    Name=name,
                    Description=f"Secret {secret.name} of component {component.name}",
                    SecretString=json.dumps(values),
                    Tags=pairs_of(tags),
                    # The same token on a repeated request makes Secrets Manager treat it as the same request.
                    ClientRequestToken=random.token_hex(16),
                )
                return values, _change(Action.CREATE, name)
            current = self._values(name)
            values = _complete(secret, current)
            _mask(secret, values)
            added = sorted(key for key in values if values[key] != current.get(key))
            if added:
                self.client.put_secret_value(SecretId=name, SecretString=json.dumps({**current, **values}))
        if added or restored:
            return values, _change(
                Action.CHANGE, name, added, "was scheduled for deletion, restored" if restored else ""
            )
        return values, _change(Action.KEEP, name)

    def plan(self, component: Component, secret: Secret) -> tuple[dict[str, str] | None, Change]:
        """Say what :meth:`ensure` would do, and the values if they are all there already; only reads.

        :raises RefusedError: as :meth:`ensure`.
        """
        name = self.secret_id(component, secret)
        with explained():
            found = self._describe(name)
            if found is None:
                return None, _change(Action.CREATE, name)
            if found.get("DeletedDate"):
                return None, _change(Action.CHANGE, name, note="scheduled for deletion, would be restored")
            current = self._values(name)
        _mask(secret, current)
        missing = sorted(key for key, source in secret.keys.items() if _stale(source, current.get(key)))
        if missing:
            return None, _change(Action.CHANGE, name, missing)
        return {key: current[key] for key in secret.keys}, _change(Action.KEEP, name)

    def adopt(self, component: Component, secret: Secret, values: dict[str, str]) -> Change:
        """Give a secret the values that another platform has, whose data is brought here.

        :raises RefusedError: as :meth:`ensure`.
        """
        name = self.secret_id(component, secret)
        _mask(secret, values)
        with explained():
            found = self._describe(name)
            if found is None:
                self.client.create_secret(
                    Name=name,
                    Description=f"Secret {secret.name} of component {component.name}",
                    SecretString=json.dumps(values),
                    Tags=pairs_of({**self.platform.tags, "slipway:component": component.name}),
                    ClientRequestToken=random.token_hex(16),
                )
                return _change(Action.CREATE, name, note="with the original's values")
            if found.get("DeletedDate"):
                self.client.restore_secret(SecretId=name)
            if not found.get("DeletedDate") and self._values(name) == values:
                return _change(Action.KEEP, name)
            self.client.put_secret_value(SecretId=name, SecretString=json.dumps(values))
        return _change(Action.CHANGE, name, note="with the original's values")

    def _describe(self, name: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = self.client.describe_secret(SecretId=name)
        except ClientError as error:
            if code_of(error) == "ResourceNotFoundException":
                return None
            raise
        if not self.platform.is_ours(tags_of(found.get("Tags") or [])):
            raise RefusedError(
                Problem(
                    f"AWS::SecretsManager::Secret {name}",
                    "Tags",
                    "a secret that does not carry this platform's tags",
                    f"slipway:platform={self.platform.name} and slipway:managed-by=slipway",
                    "rename or delete that secret, or tag it if it was made for this platform",
                ),
                ErrorClass.FOREIGN,
            )
        return found

    def _values(self, name: str) -> dict[str, str]:
        for _ in range(SETTLING_ATTEMPTS):
            try:
                text: str = self.client.get_secret_value(SecretId=name)["SecretString"]
            except ClientError as error:
                if code_of(error) not in {"InvalidRequestException", "ResourceNotFoundException"}:
                    raise
                time.sleep(SETTLING_SECONDS)
                continue
            values: dict[str, str] = json.loads(text)
            return values
        raise StuckError(
            f"AWS::SecretsManager::Secret {name}",
            "without a value",
            ["Secrets Manager describes it but returns no value"],
            f"give it one with aws secretsmanager put-secret-value --secret-id {name}, as a JSON object",
        )


def copies(component: Component, secret: Secret, values: dict[str, str]) -> list[dict[str, Any]]:
    """The Kubernetes Secrets that carry values into the component's namespace, and into those of its clients."""
    labels = {
        "app.kubernetes.io/name": component.name,
        "app.kubernetes.io/component": "secret",
        "app.kubernetes.io/part-of": "slipway",
        "slipway.dev/component": component.name,
    }
    data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    return [
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": secret.name, "namespace": namespace, "labels": labels},
            "type": "Opaque",
            "data": data,
        }
        for namespace in (secret.namespace or component.spec.namespace, *secret.also_in)
    ]


def _complete(secret: Secret, current: dict[str, str]) -> dict[str, str]:
    """Values of all keys: the written ones as written, generated ones as they were, or new."""
    values: dict[str, str] = {}
    for key, source in secret.keys.items():
        if source.value is not None:
            values[key] = source.value
        elif source.certificate is not None:
            kept = current.get(key)
            values[key] = kept if kept and not _stale(source, kept) else new_pair(source.certificate, utc_now())
        else:
            values[key] = current.get(key) or "".join(random.choice(ALPHABET) for _ in range(source.generate or 32))
    return values


def _stale(source: SecretKey, current: str | None) -> bool:
    """Whether a key has no value yet, or not the one it should have."""
    if source.certificate is not None:
        return not serves(current, source.certificate, utc_now())
    return current is None or (source.value is not None and source.value != current)


def _mask(secret: Secret, values: dict[str, str]) -> None:
    for key, source in secret.keys.items():
        if source.value is None and key in values:
            mask_secret(values[key])


def _change(action: Action, name: str, fields: list[str] | None = None, note: str = "") -> Change:
    return Change(action=action, resource=f"AWS::SecretsManager::Secret {name}", fields=fields or [], note=note)
