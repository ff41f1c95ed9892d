"""Controllers: each brings one part of the cluster closer to what its objects ask for."""

from rehearsal.kubernetes.controllers.autoscaling import Autoscalers
from rehearsal.kubernetes.controllers.base import Controller
from rehearsal.kubernetes.controllers.cronjob import CronJobs
from rehearsal.kubernetes.controllers.daemonset import DaemonSets
from rehearsal.kubernetes.controllers.definitions import AggregatedRoles, Definitions
from rehearsal.kubernetes.controllers.deployment import Deployments
from rehearsal.kubernetes.controllers.disruption import Budgets
from rehearsal.kubernetes.controllers.garbage import Garbage
from rehearsal.kubernetes.controllers.job import Jobs
from rehearsal.kubernetes.controllers.namespace import Namespaces
from rehearsal.kubernetes.controllers.nodes import Nodes
from rehearsal.kubernetes.controllers.quota import Quotas
from rehearsal.kubernetes.controllers.replicaset import ReplicaSets
from rehearsal.kubernetes.controllers.service import Services
from rehearsal.kubernetes.controllers.statefulset import StatefulSets
from rehearsal.kubernetes.controllers.volumes import Claims, Volumes
from rehearsal.kubernetes.kubelet.kubelet import Kubelet
from rehearsal.kubernetes.scheduler.scheduler import Scheduler

ALL: tuple[type[Controller], ...] = (
    Namespaces,
    Garbage,
    Deployments,
    ReplicaSets,
    StatefulSets,
    DaemonSets,
    Jobs,
    CronJobs,
    Claims,
    Volumes,
    Services,
    Budgets,
    Autoscalers,
    Quotas,
    Definitions,
    AggregatedRoles,
    Nodes,
    Scheduler,
    Kubelet,
)
