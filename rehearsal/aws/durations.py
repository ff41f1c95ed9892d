"""How long AWS takes, in seconds of real time, before compression by the clock's speed.

Measured on AWS by others: control plane 8.5-16 min, node group 1.8-2 min, add-on seconds to a minute,
version update about 10 min, node group version update 30 min for 2 nodes and 170 min for 55.
"""

from __future__ import annotations

CLUSTER_CREATE = 600.0
CLUSTER_DELETE = 300.0
CLUSTER_VERSION_UPDATE = 600.0
CLUSTER_CONFIG_UPDATE = 120.0

NODEGROUP_LAUNCH = 30.0
NODEGROUP_JOIN = 90.0
NODEGROUP_DELETE = 120.0
NODEGROUP_CONFIG_UPDATE = 60.0
# A line through the two measurements: so much before the first node, so much for each.
NODE_REPLACEMENT_BASE = 1490.0
NODE_REPLACEMENT_EACH = 160.0
NODEGROUP_GIVES_UP = 1500.0

ADDON_CREATE = 30.0
ADDON_DELETE = 20.0
ADDON_UPDATE = 30.0
ADDON_DEGRADED = 1200.0

INSIGHTS_REFRESH = 300.0

POLL = 15.0
