"""Hostile input: what it looks like (inputs), and what must survive it (the other modules' TARGETS)."""
