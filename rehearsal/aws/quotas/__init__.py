"""Service Quotas for what a platform needs."""
