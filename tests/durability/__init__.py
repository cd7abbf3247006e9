"""Harnesses that try to make an index lose or invent something."""
