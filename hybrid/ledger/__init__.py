"""The truth of an index: documents and commits in SQLite, vectors in row files beside it, and what else
must not be lost (profiles, models, impressions). Everything else can be built again from it.

Imports the disk and the settings.
"""
