"""Typed description of what Slipway works on: environments, components, results. Standard library and pydantic only."""
