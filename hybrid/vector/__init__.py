"""The neural projection: exact scans of the ledger's rows, and an HNSW graph over the older ones.

Imports the ledger's rows and the disk.
"""
