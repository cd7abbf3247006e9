"""Reader processes behind one object, for machines with many cores.

`pool` is what a program holds; `process` starts a worker and asks it, and `worker` is what runs in there;
`wire` is what goes through the pipes between them, `found` what of a result is worked out later.
"""

from hybrid.pool.pool import Pool

__all__ = ["Pool"]
