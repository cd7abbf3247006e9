"""Every error that this package raises on purpose.

    HybridError
    ├── InputError (ValueError)         what was passed in cannot be taken
    │   ├── DocumentError               a document: its id, text, metadata or vector
    │   ├── QueryError                  a query: mode, k, vector, fusion
    │   ├── FilterError                 a filter that does not parse
    │   ├── CorpusError                 a file of documents, queries or judgments: file and line
    │   ├── MeasureError                a measure that is not known
    │   └── SettingsError               what an index is made with: metric, analyzer, dictionary
    ├── StorageError                    the index on disk, or its state
    │   ├── IndexNotFound               there is none at this path
    │   ├── IndexExists                 there is one already
    │   ├── IndexLocked                 another writer has it
    │   ├── IndexClosed                 closed, or carried into a forked process
    │   ├── IndexReadOnly               opened for reading
    │   ├── IndexMismatch               built with another encoder or analyzer
    │   ├── FormatTooNew                written by a newer version
    │   └── IndexCorrupt                what is on disk is not what was written
    │       └── CommitsLost             the ledger lacks commits that were acknowledged
    └── EncoderError                    vectors cannot be made
        ├── ModelNotFound               nowhere to be found; names the places tried
        ├── MissingExtra (ImportError)  needs an optional part of this package; names it
        └── EncoderFailed               the encoder raised, or returned what is no matrix of vectors

A message says what, where and how to get out, in one line.
"""

from __future__ import annotations

from importlib.util import find_spec


class HybridError(Exception):
    """The root: catch this to catch all of ours."""


class InputError(HybridError, ValueError):
    """What was passed in cannot be taken; nothing was written."""


class DocumentError(InputError):
    """A document's id, text, metadata or vector."""


class QueryError(InputError):
    """A query's text, vector, mode, k, depth or fusion."""


class FilterError(InputError):
    """A filter that does not parse."""


class CorpusError(InputError):
    """A file of documents, queries or judgments that cannot be read; names file and line."""


class MeasureError(InputError):
    """A measure that is not known."""


class SettingsError(InputError):
    """What an index is made with: metric, analyzer, user dictionary."""


class StorageError(HybridError):
    """The index on disk, or the state of the handle to it."""


class IndexNotFound(StorageError):
    """There is no index at this path."""


class IndexExists(StorageError):
    """There is something at this path already."""


class IndexLocked(StorageError):
    """Another writer, in this process or another, has the index."""


class IndexClosed(StorageError):
    """The handle was closed, or carried into a forked process."""


class IndexReadOnly(StorageError):
    """The handle was opened with ``read_only=True``."""


class IndexMismatch(StorageError):
    """The index was built with another encoder or analyzer than the one given."""


class FormatTooNew(StorageError):
    """The index was written by a newer version of this package."""


class IndexCorrupt(StorageError):
    """What is on disk is not what was written."""


class CommitsLost(IndexCorrupt):
    """The ledger is sound but lacks commits that were acknowledged."""


class EncoderError(HybridError):
    """Vectors cannot be made."""


class ModelNotFound(EncoderError):
    """The model is in none of the places that were tried."""


class MissingExtra(EncoderError, ImportError):
    """This needs an optional part of the package that is not installed."""


class EncoderFailed(EncoderError):
    """The encoder raised, or returned something that is not a matrix of vectors."""


def lacking(*modules: str) -> list[str]:
    """Those of ``modules`` that are not installed."""
    return [module for module in modules if find_spec(module) is None]


def require(purpose: str, *modules: str, extra: str = "models") -> None:
    """Raises MissingExtra naming ``extra`` unless all ``modules`` are installed."""
    if missing := lacking(*modules):
        raise MissingExtra(
            f"{purpose} needs {', '.join(missing)}; run: pip install 'hybrid-retrieval[{extra}]'",
            name=missing[0],
        )
