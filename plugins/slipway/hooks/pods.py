"""The provider's Kubernetes hooks, fed by :class:`~slipway.hooks.kubernetes.EksAccess` in place of a kubeconfig.

The provider's own way to EKS writes a kubeconfig whose exec plugin starts a Python interpreter for each token, two
seconds and 130 MB at a time, once per call while deferred.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncGenerator
from http import HTTPStatus
from typing import Any

from airflow.providers.cncf.kubernetes.hooks.kubernetes import AsyncKubernetesHook, KubernetesHook
from asgiref.sync import sync_to_async
from kubernetes import client
from kubernetes_asyncio import client as async_client

from slipway.hooks.kubernetes import ClusterEndpoint, EksAccess
from slipway.hooks.kubernetes_async import REQUEST_TIMEOUT_SECONDS, tls_context

# The name under which the official clients look for the bearer token.
_TOKEN = "BearerToken"  # noqa: S105 - a name


class EksKubernetesHook(KubernetesHook):
    """Synchronous hook for ``KubernetesPodOperator``."""

    def __init__(self, access: EksAccess, endpoint: ClusterEndpoint) -> None:
        super().__init__(conn_id=None, kubernetes_conn_id=None)
        self.access = access
        self.endpoint = endpoint
        self._is_in_cluster = False

    def get_conn(self) -> client.ApiClient:
        """A client whose token is renewed when it must be."""
        configuration = client.Configuration(host=self.endpoint.url)
        configuration.api_key_prefix[_TOKEN] = "Bearer"
        configuration.api_key[_TOKEN] = self.access.token()
        configuration.refresh_api_key_hook = self._renew
        api_client = _EksApiClient(configuration, self.access)
        # The official client takes its authority from a file only; the pool beneath it takes a context as well.
        api_client.rest_client.pool_manager.connection_pool_kw["ssl_context"] = tls_context(self.endpoint.authority)
        return api_client

    def _renew(self, configuration: client.Configuration) -> None:
        configuration.api_key[_TOKEN] = self.access.token()


class _EksApiClient(client.ApiClient):  # type: ignore[misc]
    """Gives every call a time limit, without which a dead connection is waited on for ever, and a second token."""

    def __init__(self, configuration: client.Configuration, access: EksAccess) -> None:
        super().__init__(configuration)
        self._access = access

    def call_api(self, *args: Any, **kwargs: Any) -> Any:
        if kwargs.get("_request_timeout") is None:
            kwargs["_request_timeout"] = REQUEST_TIMEOUT_SECONDS
        try:
            return super().call_api(*args, **kwargs)
        except client.ApiException as error:
            if error.status != HTTPStatus.UNAUTHORIZED:
                raise
            self._access.forget_token()
            return super().call_api(*args, **kwargs)


class _AsyncEksApiClient(async_client.ApiClient):  # type: ignore[misc]
    """Tries a refused call again with a new token, once."""

    def __init__(self, configuration: async_client.Configuration, access: EksAccess) -> None:
        super().__init__(configuration)
        self._access = access

    async def call_api(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return await super().call_api(*args, **kwargs)
        except async_client.ApiException as error:
            if error.status != HTTPStatus.UNAUTHORIZED:
                raise
            self._access.forget_token()
            return await super().call_api(*args, **kwargs)


class AsyncEksKubernetesHook(AsyncKubernetesHook):
    """Asynchronous twin for ``KubernetesPodTrigger``: one client for the whole wait. Close it at the end."""

    def __init__(self, access: EksAccess, endpoint: ClusterEndpoint) -> None:
        super().__init__(conn_id=None, kubernetes_conn_id=None)
        self.access = access
        self.endpoint = endpoint
        self._is_in_cluster = False
        self._opening = asyncio.Lock()
        self._client: async_client.ApiClient | None = None

    @contextlib.asynccontextmanager
    async def get_conn(self) -> AsyncGenerator[async_client.ApiClient, None]:
        """The hook's client, made at the first call."""
        async with self._opening:
            if self._client is None:
                self._client = await self._open()
        yield self._client

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.close()
            self._client = None

    async def _open(self) -> async_client.ApiClient:
        token = sync_to_async(self.access.token)
        configuration = async_client.Configuration(host=self.endpoint.url)
        configuration.disable_strict_ssl_verification = True
        configuration.api_key_prefix[_TOKEN] = "Bearer"
        configuration.api_key[_TOKEN] = await token()

        async def renew(config: async_client.Configuration) -> None:
            config.api_key[_TOKEN] = await token()

        configuration.refresh_api_key_hook = renew
        # Read once, while the client is made, and public: the authority that signed the API's certificate.
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as authority:
            authority.write(self.endpoint.authority)
            authority.flush()
            configuration.ssl_ca_cert = authority.name
            return _AsyncEksApiClient(configuration, self.access)
