"""Operators: fetch facts through hooks, let a decision judge them, act, defer, report."""
