"""The ledger, an index's source of truth: documents and commits in SQLite, vectors in row files beside it,
and other data that must not be lost (profiles, models, impressions). All else can be rebuilt from it.

Imports the disk and the settings.
"""
