"""The only home of AWS and Kubernetes clients."""
