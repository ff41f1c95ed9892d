"""Admission: what changes or refuses a valid write."""
