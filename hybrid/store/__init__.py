"""One open index: its directory, its generations and their projections, snapshots, and what is done to the
whole of it (rebuild, backup, verify, salvage).

Imports the ledger, the projections, the analyzers and the disk.
"""
