"""Pure decisions: facts and ``now`` in, verdict out. No clock, no client, no global."""
