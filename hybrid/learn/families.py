"""Group judged queries that belong together, so that no query is judged by a model that learned its twin.

Claims and their negations, paraphrases, follow-ups: judged collections hold many queries that ask for one
document. Trees remember such a document from one query and find it for the other, which looks like skill
as long as nobody asks for anything new.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from hybrid.learn.clicks.exposures import same
from hybrid.types import Qrels


def by_text(texts: Mapping[str, str], _qrels: Qrels) -> dict[str, str]:
    """Query id -> the name of its family: here all queries of one text."""
    return {id: same(text) for id, text in texts.items()}


def by_document(texts: Mapping[str, str], qrels: Qrels, parts: int) -> dict[str, str]:
    """Query id -> the name of its family: queries that share a text or a relevant document.

    A document that very many queries share would make all of them one family, and nothing could be held
    out. So documents tie in the order of how few queries share them, as long as no family has more than
    one in ``parts`` of the queries.
    """
    found = alone = by_text(texts, qrels)
    above: dict[str, str] = {}
    sharing: dict[int, list[set[str]]] = defaultdict(list)
    for asking in _asking(alone, qrels).values():
        sharing[len(asking)].append(asking)
    for number in sorted(sharing.keys() - {1}):
        for asking in sharing[number]:
            _tie(asking, above)
        tied = {query: _head(name, above) for query, name in alone.items()}
        if _largest(tied.values()) * parts > len(texts):
            break
        found = tied
    return found


def _asking(family: Mapping[str, str], qrels: Qrels) -> dict[str, set[str]]:
    """Document -> the families to which it is relevant."""
    found: dict[str, set[str]] = defaultdict(set)
    for query, name in family.items():
        for document, grade in qrels[query].items():
            if grade > 0:
                found[document].add(name)
    return found


def _tie(names: Iterable[str], above: dict[str, str]) -> None:
    """Make one family of those that ``names`` are in."""
    first, *others = sorted({_head(name, above) for name in names})
    above.update(dict.fromkeys(others, first))


def _head(name: str, above: dict[str, str]) -> str:
    """The name of the family that ``name`` is in."""
    while name in above:
        above[name] = name = above.get(above[name], above[name])
    return name


def _largest(names: Iterable[str]) -> int:
    sizes: dict[str, int] = defaultdict(int)
    for name in names:
        sizes[name] += 1
    return max(sizes.values(), default=0)
