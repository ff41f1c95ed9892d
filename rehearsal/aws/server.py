"""The WSGI application: finds out what a request means, counts it, and lets the right service answer."""

from __future__ import annotations

import io
import json
import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from moto.core import DEFAULT_ACCOUNT_ID
from moto.core.request import Request
from moto.moto_api._internal.models import MotoAPIBackend
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.wrappers import Response

from rehearsal.aws import cloudformation, moto_fixes, persistence, presigned, savingsplans
from rehearsal.aws.clock import Clock
from rehearsal.aws.costs import service as costs_service
from rehearsal.aws.eks import service as eks_service
from rehearsal.aws.eks.kubernetes import KubernetesAdmin, KubernetesUnavailableError
from rehearsal.aws.eks.service import WATCHES
from rehearsal.aws.eks.state import Eks
from rehearsal.aws.faults import Faults, refused
from rehearsal.aws.identify import Identified, caller, identify
from rehearsal.aws.outside import Outside
from rehearsal.aws.permissions.calls import parameters
from rehearsal.aws.permissions.enforcer import Enforcer
from rehearsal.aws.permissions.evaluate import Statement
from rehearsal.aws.permissions.tags import Tags, key_of_bucket
from rehearsal.aws.persistence import Saver
from rehearsal.aws.pricing import service as pricing
from rehearsal.aws.protocol import ModelledService
from rehearsal.aws.quotas import service as quotas
from rehearsal.aws.scheduler import Scheduler
from rehearsal.aws.statistics import Statistics, is_mutating

_LOG = logging.getLogger(__name__)
# These must answer while another request waits for them: tokens are verified while a cluster is being made,
# and the others may block on purpose (long polling, functions that run).
_WITHOUT_LOCK = {"sts", "sqs", "lambda"}
# The access key that the policies belong to, which is what clients of the rehearsal are given.
ENFORCED_KEY = "rehearsal"

StartResponse = Callable[..., Any]
Environ = dict[str, Any]


class Cloud:
    """The AWS side of the rehearsal as one WSGI application.

    :param clock: how fast work proceeds.
    :param kubernetes_admin: URL of the Kubernetes side's admin API.
    :param policies: what callers are allowed to do; ``None`` allows everything.
    """

    def __init__(self, clock: Clock, kubernetes_admin: str, policies: list[Statement] | None = None) -> None:
        # moto is not made for threads that change the same backend; neither is our state.
        self.lock = threading.RLock()
        self.statistics = Statistics()
        self.faults = Faults()
        self.scheduler = Scheduler()
        self.eks = Eks(clock, self.scheduler, KubernetesAdmin(kubernetes_admin), self.lock, self.faults)
        self.outside = Outside(self.eks)
        self.costs = costs_service.Costs(self.eks)
        self.services: dict[str, ModelledService] = {
            "ce": costs_service.service(self.costs),
            "eks": eks_service.service(self.eks),
            "pricing": pricing.service(),
            "savingsplans": savingsplans.service(),
            "servicequotas": quotas.service(),
        }
        moto_fixes.install()
        self.enforcer: Enforcer | None = None
        if policies is not None:
            self.enforcer = Enforcer(policies, Tags(self.eks).of, key_of_bucket)
        cloudformation.install(clock.speed, self.enforcer)
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._saver: Saver | None = None
        self.scheduler.watch(self._after_job)

    def start(self, state: Path | None = None) -> None:
        """Begin with later work, where a saved state left off.

        :param state: folder in which state survives; None keeps it in memory.
        :raises StateError: when the saved state cannot be read.
        """
        if state is not None:
            self._saver = Saver(state, self.lock, self._content)
            self._restore(persistence.load(state))
            self._saver.start()
        self.scheduler.start()

    def stop(self) -> None:
        """End later work and save."""
        self.scheduler.stop()
        if self._saver is not None:
            self._saver.stop()

    def reset(self) -> None:
        """Forget everything, on the Kubernetes side too."""
        with self.lock:
            self.scheduler.clear()
            gone = [cluster.kubernetes_id for cluster in self.eks.clusters.values()]
            self.eks.clusters.clear()
            MotoAPIBackend("global", DEFAULT_ACCOUNT_ID).reset()
            self.statistics.clear()
            self.costs.reset()
            self._changed()
        for cluster_id in gone:
            try:
                self.eks.kubernetes.delete_cluster(cluster_id)
            except KubernetesUnavailableError as error:
                _LOG.warning("cluster %s stays on the Kubernetes side: %s", cluster_id, error)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Any:
        """Answer one request."""
        if environ.get("PATH_INFO", "").startswith("/_rehearsal/"):
            return self._own(environ)(environ, start_response)
        _buffer_body(environ)
        request = Request(environ)
        identified = identify(request)
        self.statistics.count(identified.service, identified.operation)
        if is_mutating(identified.service, identified.operation):
            self._changed()
        _buffer_body(environ)
        refusal = self.faults.refusal(identified.service, identified.operation)
        if refusal is None:
            refusal = self._unauthorised(Request(environ), identified)
            _buffer_body(environ)
        if refusal is not None:
            return refusal(environ, start_response)
        expired = presigned.prepare(environ, request, identified.service)
        if expired is not None:
            return expired(environ, start_response)
        if identified.service in _WITHOUT_LOCK:
            return self._moto(environ, start_response)
        with self.lock:
            ours = self.services.get(identified.service)
            if ours is None:
                return self._moto(environ, start_response)
            answer = ours.answer(Request(environ), identified.region, caller(identified))
            return answer(environ, start_response)

    def _unauthorised(self, request: Request, identified: Identified) -> Response | None:
        """The refusal of a call that the caller's policies do not allow. Whoever is somebody else may do anything."""
        if self.enforcer is None or identified.access_key not in (ENFORCED_KEY, "") or identified.service == "sts":
            return None
        service, operation = identified.service, identified.operation
        params = parameters(request, service, operation)
        with self.lock:
            account = DEFAULT_ACCOUNT_ID
            why = self.enforcer.refusal(service, operation, identified.region, account, params)
        if why is None:
            return None
        return refused(service, operation, "AccessDeniedException", 403, f"User is {why}")

    def _changed(self) -> None:
        if self._saver is not None:
            self._saver.touch()

    def _after_job(self, name: str) -> None:
        # Those that watch run all the time, and find the same again after a restart.
        if name not in WATCHES:
            self._changed()

    def _content(self) -> dict[str, Any]:
        return {
            "clusters": self.eks.clusters,
            "jobs": self.scheduler.snapshot(),
            "costs": self.costs.scenario,
        }

    def _restore(self, content: dict[str, Any] | None) -> None:
        if content is None:
            return
        self.eks.clusters = content["clusters"]
        self.costs.scenario = content.get("costs", self.costs.scenario)
        self.scheduler.restore(content["jobs"])
        for cluster in self.eks.clusters.values():
            self.scheduler.after(0, "revive-cluster", cluster.region, cluster.name)

    def _own(self, environ: Environ) -> Response:
        request = Request(environ)
        if (request.method, request.path) == ("GET", "/_rehearsal/health"):
            return _json({"status": "ok", "speed": self.eks.clock.speed})
        if (request.method, request.path) == ("GET", "/_rehearsal/stats"):
            return _json(self.statistics.report())
        if (request.method, request.path) == ("POST", "/_rehearsal/reset"):
            self.reset()
            return _json({"status": "ok"})
        if request.path == "/_rehearsal/faults":
            return self._faults(request)
        if request.path == "/_rehearsal/permissions":
            return self._permissions(request)
        if request.path.startswith("/_rehearsal/outside/"):
            with self.lock:
                answer, status = self.outside.answer(request.method, request.path, request.get_json(silent=True) or {})
                self._changed()
            return _json(answer, status)
        if request.path == "/_rehearsal/costs":
            return self._costs(request)
        known = (
            "GET /_rehearsal/health, stats, permissions and costs, POST /_rehearsal/reset and /_rehearsal/faults exist"
        )
        return _json({"error": known}, 404)

    def _permissions(self, request: Request) -> Response:
        """GET says which actions were asked for and which were refused, DELETE begins to count anew."""
        if self.enforcer is None:
            return _json({"error": "no policy is enforced; start with --enforce-policy FILE"}, 404)
        if request.method == "DELETE":
            self.enforcer.clear()
        return _json(self.enforcer.report())

    def _costs(self, request: Request) -> Response:
        """PATCH changes what the bill is made of, GET says what it is."""
        if request.method == "PATCH":
            changes = json.loads(request.get_data() or b"{}")
            unknown = sorted(set(changes) - set(self.costs.scenario))
            if unknown:
                allowed = ", ".join(sorted(self.costs.scenario))
                return _json({"error": f"a bill has no {unknown[0]}; allowed: {allowed}"}, 400)
            with self.lock:
                self.costs.scenario.update(changes)
            self._changed()
        return _json(self.costs.scenario)

    def _faults(self, request: Request) -> Response:
        """POST lets a fault happen, DELETE ends all of them, GET lists them."""
        if request.method == "DELETE":
            self.faults.clear()
        elif request.method == "POST":
            try:
                self.faults.add(json.loads(request.get_data() or b"{}"))
            except ValueError as error:
                return _json({"error": str(error)}, 400)
        return _json({"faults": self.faults.all()})


def _buffer_body(environ: Environ) -> None:
    """Make the body readable again: the request is looked at here before its service reads it."""
    stream = environ["wsgi.input"]
    if isinstance(stream, io.BytesIO):
        stream.seek(0)
        return
    length = environ.get("CONTENT_LENGTH")
    if length:
        environ["wsgi.input"] = io.BytesIO(stream.read(int(length)))
    elif environ.get("wsgi.input_terminated"):
        body = stream.read()
        environ["wsgi.input"] = io.BytesIO(body)
        environ["CONTENT_LENGTH"] = str(len(body))
    else:
        environ["wsgi.input"] = io.BytesIO()


def _json(body: dict[str, Any], status: int = 200) -> Response:
    return Response(json.dumps(body), status, mimetype="application/json")
