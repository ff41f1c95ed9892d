"""EKS add-ons: the objects each brings, as YAML files beside this module."""

from rehearsal.kubernetes.addons.apply import AddOns

__all__ = ["AddOns"]
