"""What survives a crash: files reached through an opened folder, manifests with a checksum, cached arrays,
and the points at which tests make a process fail.

Imports errors alone.
"""
