"""Indexes as each released format version wrote them, and what they hold."""
