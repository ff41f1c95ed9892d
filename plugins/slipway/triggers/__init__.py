"""Asynchronous waits."""
