"""All errors that this package raises deliberately.

    HybridError
    ├── InputError (ValueError)         an argument is invalid
    │   ├── DocumentError               a document: its id, text, metadata or vector
    │   ├── QueryError                  a query: mode, k, vector, fusion
    │   │   └── CursorExpired           a cursor that is not kept, or no longer
    │   ├── FilterError                 a filter that does not parse
    │   ├── CorpusError                 a file of documents, queries or judgments; names file and line
    │   ├── MeasureError                an unknown measure
    │   ├── NotPicklable                what cannot be passed to another process
    │   └── SettingsError               settings of an index: metric, analyzer, dictionary
    ├── StorageError                    the index on disk, or its state
    │   ├── IndexNotFound               there is no index at this path
    │   ├── IndexExists                 there is one already
    │   ├── IndexLocked                 another writer has it open
    │   ├── IndexClosed                 closed, or inherited by a forked process
    │   ├── IndexReadOnly               opened for reading
    │   ├── IndexMismatch               built with another encoder or analyzer
    │   ├── FormatTooNew                written by a newer version
    │   └── IndexCorrupt                data on disk is damaged or missing
    │       └── CommitsLost             acknowledged commits are missing from the ledger
    ├── WorkerError                     a process of a pool
    │   ├── WorkerDied                  it ended in the middle of a call, and so did the next one
    │   └── WorkerTimeout (TimeoutError)   it took longer than the pool's timeout, and was ended
    ├── PluginError                     a module of another package cannot be used
    └── EncoderError                    vectors cannot be made
        ├── ModelNotFound               in none of the places tried, which it names
        ├── MissingExtra (ImportError)  needs an optional dependency; names it
        └── EncoderFailed               the encoder raised, or returned anything but a matrix of vectors

A message says, in one line, what is wrong, where, and what to do.
"""

from __future__ import annotations

from importlib.util import find_spec


class HybridError(Exception):
    """The base class: catch this to catch all errors of this package."""


class InputError(HybridError, ValueError):
    """An argument is invalid; nothing was written."""


class DocumentError(InputError):
    """A document's id, text, metadata or vector is invalid."""


class QueryError(InputError):
    """A query's text, vector, mode, k, depth or fusion is invalid."""


class CursorExpired(QueryError):
    """The cursor is not kept, or no longer: search again."""


class FilterError(InputError):
    """A filter does not parse."""


class CorpusError(InputError):
    """A file of documents, queries or judgments cannot be read; names file and line."""


class MeasureError(InputError):
    """A measure is not known."""


class NotPicklable(InputError):
    """An argument or an answer cannot be passed to another process."""


class SettingsError(InputError):
    """A setting of an index is invalid: metric, analyzer, user dictionary."""


class StorageError(HybridError):
    """The index on disk, or the state of its handle, does not allow the operation."""


class IndexNotFound(StorageError):
    """There is no index at this path."""


class IndexExists(StorageError):
    """There is something at this path already."""


class IndexLocked(StorageError):
    """Another writer, in this process or another, has the index open."""


class IndexClosed(StorageError):
    """The handle was closed, or inherited by a forked process."""


class IndexReadOnly(StorageError):
    """The handle was opened with ``read_only=True``."""


class IndexMismatch(StorageError):
    """The index was built with another encoder or analyzer than the one given."""


class FormatTooNew(StorageError):
    """The index was written by a newer version of this package."""


class IndexCorrupt(StorageError):
    """Data on disk is damaged or missing."""


class CommitsLost(IndexCorrupt):
    """The ledger is sound but lacks acknowledged commits."""


class WorkerError(HybridError):
    """A process of a pool did not answer, or raised what this process cannot read."""


class WorkerDied(WorkerError):
    """Two worker processes ended in one call, or none can be started."""


class WorkerTimeout(WorkerError, TimeoutError):
    """A worker process took longer than the pool's timeout, and was ended."""


class PluginError(HybridError):
    """A module of another package cannot be used."""


class EncoderError(HybridError):
    """Vectors cannot be made."""


class ModelNotFound(EncoderError):
    """The model is in none of the places that were tried."""


class MissingExtra(EncoderError, ImportError):
    """An optional dependency is not installed."""


class EncoderFailed(EncoderError):
    """The encoder raised, or returned anything but a matrix of vectors."""


def lacking(*modules: str) -> list[str]:
    """Return those of ``modules`` that are not installed."""
    return [module for module in modules if find_spec(module) is None]


def require(purpose: str, *modules: str, extra: str = "models") -> None:
    """Raises MissingExtra naming ``extra`` unless all ``modules`` are installed."""
    if missing := lacking(*modules):
        raise MissingExtra(
            f"{purpose} needs {', '.join(missing)}; run: pip install 'hybrid-retrieval[{extra}]'",
            name=missing[0],
        )
