"""Loads ``include/`` into the model, once, at the edge."""
