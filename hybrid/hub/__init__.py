"""Models on the model hub, and folders of models: found at a pinned revision, loaded as data alone.

A model runs nothing of its own: weights are read from safetensors files, never from pickles, and code that
a repository brings is not executed.
"""

from hybrid.hub.catalogue import PUBLISHED, Kind, Published
from hybrid.hub.files import as_data, fingerprint, folder, snapshot
from hybrid.hub.names import Reference, reference
from hybrid.hub.silence import bars_off, quiet

__all__ = [
    "PUBLISHED",
    "Kind",
    "Published",
    "Reference",
    "as_data",
    "bars_off",
    "fingerprint",
    "folder",
    "quiet",
    "reference",
    "snapshot",
]
