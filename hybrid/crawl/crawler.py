"""One pass over files and folders: list, read what changed, remove what is gone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Literal, Self, TypeAlias

from hybrid import plugins
from hybrid.corpora.extraction import Bounds, Extracted, Extractor, check
from hybrid.corpora.files import plain_name, reading
from hybrid.corpora.options import Options
from hybrid.corpora.records import BadRecord
from hybrid.corpora.walk import Listing, Stamp, listing
from hybrid.crawl.known import Held, Known, Said, State, described
from hybrid.crawl.likeness import Likeness
from hybrid.crawl.plan import Change, Folder, Input, Plan, is_index
from hybrid.crawl.report import Report
from hybrid.errors import CorpusError, DocumentError, InputError, MissingExtra
from hybrid.index import Index
from hybrid.intake.documents import check_batch
from hybrid.limits import counted, named, shown
from hybrid.types import Document, Progress

Prune: TypeAlias = Literal["gone", "all"]
"""Remove documents of files that are gone: up to half of a folder's, or all of them."""


class Crawler:
    """Keeps an index in step with files and folders; ``run`` makes one pass. Usable as a context manager.

    The id of a document is the name of its folder, a slash, the path below that folder, and after a ``#``
    the record or message where a file holds several. Raises CorpusError for a path where nothing is.
    """

    def __init__(
        self,
        index: Index,
        inputs: Iterable[str | Path],
        *,
        prune: Prune | None = None,
        encoding: str | None = None,
        readers: Iterable[str] = (),
        bounds: Bounds | None = None,
    ) -> None:
        """``readers``: of other packages (`hybrid.plugins`), by name: each reads the files that have its
        name as suffix."""
        if prune not in (None, "gone", "all"):
            raise InputError(f'prune is None, "gone" or "all", not {prune!r}')
        self._index = index
        self._readers = check_readers(readers)
        self._inputs = [Input.of(one) for one in inputs]
        self._prune = prune
        self._encoding = encoding
        self._known = Known.of(index.documents())
        self._likeness: Likeness | None = None
        self._failed: dict[Path, Stamp] = {}
        self._extractor = Extractor(bounds)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._extractor.close()

    def run(self, progress: Progress | None = None) -> Report:
        """One pass. Raises what `hybrid.Index.load` raises; what was read before stays."""
        return self.follow(self.plan(), progress)

    def plan(self) -> Plan:
        """Look what is new, changed or gone. A file that failed is left alone until it changes."""
        plan = Plan()
        for one in self._inputs:
            found = self._listed(one)
            plan.report.failed += map(str, found.closed)
            plan.report.others += found.others
            plan.report.links += found.links
            for path, stamp in found.files.items():
                if self._failed.get(path) == stamp:
                    continue
                if self._unchanged(path, stamp):
                    plan.report.unchanged += 1
                else:
                    plan.changed.setdefault(path, Change(path, stamp, one.folder))
            if one.is_folder:
                plan.folders.append(self._seen(one.path, found))
        return plan

    def follow(self, plan: Plan, progress: Progress | None = None) -> Report:
        """Do what is planned."""
        report = plan.report
        stale: dict[Path, list[str]] = {}
        if plan.changed and self._likeness is None:
            held = self._index.documents(fields=["text"])
            self._likeness = Likeness.of((document.id, document.text) for document in held)
        self._index.load(self._documents(plan, report, stale), progress=progress)
        gone = self._remove(stale)
        for seen in plan.folders:
            gone |= self._clear(seen, report)
        report.removed = len(gone)
        report.duplicates = [pair for pair in report.duplicates if pair[1] not in gone]
        report.near_duplicates = [pair for pair in report.near_duplicates if pair[1] not in gone]
        return report

    def _listed(self, one: Input) -> Listing:
        if one.is_folder:
            return listing(one.path, is_index, self._readers)
        try:
            return Listing({one.path: Stamp.of(one.path)})
        except CorpusError as error:
            return Listing(closed=[error])

    def _unchanged(self, path: Path, stamp: Stamp) -> bool:
        held = self._known.files.get(path)
        if held is None or held.state is None or held.state.encoding != self._encoding:
            return False
        if held.state.fits(stamp):
            return True
        try:
            return held.state.size == stamp.size and held.state.hash == _hash(path)
        except CorpusError:
            return False

    def _seen(self, folder: Path, found: Listing) -> Folder:
        there = list(self._known.below(folder))
        held = sum(len(self._known.files[path].documents) for path in there)
        gone = [path for path in there if path not in found.files]
        return Folder(folder, held, gone, found)

    # -- reading

    def _documents(self, plan: Plan, report: Report, stale: dict[Path, list[str]]) -> Iterator[Document]:
        for change in plan.changed.values():
            yield from self._read(change, report, stale)

    def _read(self, change: Change, report: Report, stale: dict[Path, list[str]]) -> Iterator[Document]:
        """The documents of a file that are new or changed. One is held back until the others are read: it
        says that all of them were."""
        path, root = change.path, self._known.root_of(change.path, change.folder)
        held = self._known.files.get(path) or Held(root)
        failed: list[str] = []
        first: Document | None = None
        state: State | None = None
        ids: set[str] = set()
        try:
            check(path, root)
            state = State.of(change.stamp, _hash(path), self._encoding)
            options = Options(
                lambda error: failed.append(str(error)),
                self._encoding,
                {},
                report.assumed.append,
                self._readers,
            )
            for one in self._extractor.read(path, root, options):
                try:
                    document = self._document(one, path, root, ids)
                except InputError as error:
                    failed.append(str(error))
                    continue
                ids.add(document.id)
                if first is None:
                    first = document
                elif held.documents.get(document.id) != Said.by(document) or document.vector is not None:
                    yield self._new(document, report)
        except CorpusError as error:
            failed.append(str(error))
        except MissingExtra as error:
            failed.append(f"{named(path)}: {error}")
        if first is not None and (not failed or held.documents.get(first.id) != Said.by(first)):
            said = {**first.metadata, **described(root, None if failed else state)}
            yield self._new(replace(first, metadata=said), report)
        self._end(change, failed, report)
        if not failed:
            stale[path] = list(held.documents.keys() - ids)

    def _document(self, one: Extracted, path: Path, root: Path, ids: set[str]) -> Document:
        """Raises CorpusError, DocumentError for one that cannot be taken."""
        below = path.relative_to(root).as_posix()
        metadata = {"path": below, **described(root, None)}
        try:
            made = one.document(f"{self._known.name_of(root)}/{below}", plain_name(path).stem, metadata)
            [checked] = check_batch([made])
        except (BadRecord, DocumentError) as error:
            raise CorpusError(f"{named(path)}: {error}") from error
        if checked.id in ids:
            raise CorpusError(f"{named(path)}: the id {shown(one.part)} is there twice; the first is kept")
        return checked

    def _new(self, document: Document, report: Report) -> Document:
        said = Said.by(document)
        other = self._known.texts.get(said.text)
        if other not in (None, document.id):
            report.duplicates.append((document.id, str(other)))
        elif self._likeness is not None and (near := self._likeness.add(document.id, document.text)):
            report.near_duplicates.append((document.id, near))
        self._known.add(document)
        report.indexed += 1
        return document

    def _end(self, change: Change, failed: list[str], report: Report) -> None:
        report.failed += failed
        self._failed.pop(change.path, None)
        if failed:
            self._failed[change.path] = change.stamp

    # -- removing

    def _remove(self, ids: Mapping[Path, list[str]]) -> set[str]:
        """Remove documents of some files; returns their ids."""
        gone = {id for some in ids.values() for id in some}
        if gone:
            self._index.delete(gone)
        if self._likeness is not None:
            self._likeness.forget(gone)
        for path, some in ids.items():
            if some:
                self._known.forget(path, some)
        return gone

    def _clear(self, seen: Folder, report: Report) -> set[str]:
        """Remove the documents of files that are gone, if that is asked for and nothing speaks against it;
        returns their ids."""
        ids = {
            path: list(self._known.files[path].documents) for path in seen.gone if path in self._known.files
        }
        count = sum(map(len, ids.values()))
        reason = self._against(seen, count)
        if count and self._prune is not None and reason is None:
            return self._remove(ids)
        report.gone += count
        if count and self._prune is not None:
            what = f"{counted(count)} of files that are gone stay{'s' if count == 1 else ''}"
            report.kept.append(f"{named(seen.path)}: {what}: {reason}")
        return set()

    def _against(self, seen: Folder, count: int) -> str | None:
        if seen.found.closed:
            return "a folder could not be listed"
        if any(path in self._failed for path in seen.found.files):
            return "a file could not be read; mend it, or move it away"
        if 2 * count > seen.held and self._prune != "all":
            return f"they are more than half of the {seen.held:,} there; --prune=all removes them"
        return None


def check_readers(names: Iterable[str]) -> tuple[str, ...]:
    """Names of readers of other packages. Raises InputError for one that is not installed."""
    given = tuple(names)
    for name in given:
        if plugins.find("readers", name) is None:
            known = ", ".join(plugins.names("readers")) or "none"
            raise InputError(f"no installed package has a reader {shown(name)}; there are: {known}")
    return given


def _hash(path: Path) -> str:
    with reading(path), path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
