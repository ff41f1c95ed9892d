"""What the emulated cluster's Prometheus would answer: recorded series made from the cluster's own state."""
