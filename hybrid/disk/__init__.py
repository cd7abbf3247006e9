"""Files that survive a crash: access through an opened folder, manifests with a checksum, cached arrays,
and the fail points at which tests kill a process.

Imports only errors.
"""
