"""The simulated kubelet: pods become what their spec says, without running third-party images."""
