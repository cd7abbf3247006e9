"""The engine beside what else a user could pick: hybrid, lexical leg, vector leg.

Building the others over many documents takes long, so the lexical legs can also be compared alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from hybrid import RRF, Index
from hybrid.vector.hnsw import EF_SEARCH
from tests.benchmarks.corpus import Query
from tests.benchmarks.house import House, bare_search, numbers, stack
from tests.benchmarks.measure import Ask, Timing, interleave, recall
from tests.benchmarks.peers import DEPTH, HYBRID, LEXICAL, VECTOR, Coded, installed
from tests.benchmarks.report import Report, Table

TARGETS: Final = (0.95, 0.99)
OURS: Final = "hybrid-retrieval"
_EFS: Final = (10, 14, 20, 28, 40, 56, 80, 112, 160, 224, 320, 448, 640, 896)
_SLOW: Final = 0.02  # seconds a query, from which on fewer are asked
_SLOW_QUERIES: Final = 20

Answer = Callable[[int], list[int]]


def run(house: House) -> Report:
    report = Report("peers", documents=house.plan.documents, queries=house.plan.queries, k=10)
    folder = house.folder / "peers"
    folder.mkdir(exist_ok=True)
    built = report.table(
        "Built", note="As each builds by itself; two threads where it takes a number of them."
    )
    coded = Coded(house.terms)
    with Index.open(house.index_path, read_only=True) as index:
        _hybrid(house, index, coded, folder, report, built)
        _lexical(house, index, coded, folder, report, built)
        _vector(house, index, folder, report, built)
    return report


def run_words(house: House) -> Report:
    """The lexical legs alone, over an index without vectors."""
    report = Report("words", documents=house.plan.documents, queries=house.plan.queries, k=10)
    folder = house.folder / "words"
    folder.mkdir(exist_ok=True)
    built = report.table("Built", note="As each builds by itself.")
    with Index.open(house.words_path, read_only=True) as index:
        _lexical(house, index, Coded(house.terms), folder, report, built)
    return report


def heats(
    contestants: dict[str, Answer], queries: int, rounds: int, base: str
) -> dict[str, tuple[Timing, float]]:
    """Each contestant's timing, and its CPU time by that of ``base`` in the same run: the slow ones have a
    run of their own, of fewer queries, with ``base``."""
    slow = [name for name in contestants if name != base and _seconds(contestants[name]) > _SLOW]
    fast: dict[str, Ask] = {name: ask for name, ask in contestants.items() if name not in slow}
    found = _by_base(interleave(fast, queries, rounds=rounds), base)
    if slow:
        few: dict[str, Ask] = {name: contestants[name] for name in (base, *slow)}
        block = min(_SLOW_QUERIES, queries)
        again = _by_base(interleave(few, block, rounds=2, block=5), base)
        found |= {name: again[name] for name in slow}
    return {name: found[name] for name in contestants}


def _by_base(found: dict[str, Timing], base: str) -> dict[str, tuple[Timing, float]]:
    return {name: (timing, timing.cpu / found[base].cpu) for name, timing in found.items()}


def _seconds(ask: Answer) -> float:
    ask(0)
    start = time.perf_counter()
    ask(1)
    return time.perf_counter() - start


# -- hybrid


def _hybrid(house: House, index: Index, coded: Coded, folder: Path, report: Report, built: Table) -> None:
    table = report.table(
        "Hybrid search",
        note=(
            "Ten documents with their texts. `recall@10`: of the vector leg, as the hybrid query uses it. "
            "`by ours`: CPU time by that of ours with the same fusion, RRF, in the same run."
        ),
    )
    peers = installed(HYBRID, built, folder, coded.texts, house.vectors)
    near: dict[str, Callable[[Any], list[int]]] = {
        f"{OURS}, RRF": lambda v: numbers([h.id for h in index.search(vector=v, mode="vector")])
    }
    near |= {peer.name: lambda v, peer=peer: peer.nearest(v, 10) for peer in peers}
    for kind in ("short", "long"):
        queries = house.queries(kind)
        some = stack(queries)[:_SLOW_QUERIES]
        exact = house.exact(some, 10)
        shares = {name: recall([ask(vector) for vector in some], exact) for name, ask in near.items()}
        contestants = _hybrid_answers(house, index, coded, queries, peers)
        found = heats(contestants, len(queries), house.plan.rounds, f"{OURS}, RRF")
        for name, (timing, times) in found.items():
            share = shares.get(name, shares[f"{OURS}, RRF"])
            table.add(queries=kind, what=name, **timing.row(), **{"by ours": times, "recall@10": share})


def _hybrid_answers(
    house: House, index: Index, coded: Coded, queries: list[Query], peers: list[Any]
) -> dict[str, Answer]:
    texts = [coded.of(house.analyzer.terms(query.text)) for query in queries]

    def ours(**options: Any) -> Answer:
        def ask(i: int) -> list[int]:
            found = index.search(queries[i].text, vector=queries[i].vector, depth=DEPTH, **options)
            return numbers([hit.id for hit in found])

        return ask

    def other(peer: Any) -> Answer:
        return lambda i: list(peer.query(texts[i], queries[i].vector, 10))

    return {
        f"{OURS}, RRF": ours(fusion=RRF()),
        f"{OURS}, default": ours(),
        **{peer.name: other(peer) for peer in peers},
    }


# -- words


def _lexical(house: House, index: Index, coded: Coded, folder: Path, report: Report, built: Table) -> None:
    table = report.table(
        "Lexical leg",
        note=(
            f"Ten ids of terms that are ready; `{OURS}, search`: from the text, with documents. "
            "`overlap@10` with our leg: variants of BM25 differ, equal scores have no order. `by ours`: "
            "CPU time by the leg's."
        ),
    )
    peers = installed(LEXICAL, built, folder, coded.texts)
    for kind in ("short", "long"):
        queries = house.queries(kind)
        contestants = _lexical_answers(house, index, coded, queries, peers)
        ours = [contestants[OURS](i) for i in range(_SLOW_QUERIES)]
        for name, (timing, times) in heats(contestants, len(queries), house.plan.rounds, OURS).items():
            overlap = recall([contestants[name](i) for i in range(_SLOW_QUERIES)], ours)
            table.add(queries=kind, what=name, **timing.row(), **{"by ours": times, "overlap@10": overlap})


def _lexical_answers(
    house: House, index: Index, coded: Coded, queries: list[Query], peers: list[Any]
) -> dict[str, Answer]:
    terms = [house.analyzer.terms(query.text) for query in queries]
    texts = [coded.of(some) for some in terms]
    bare = house.bare_lexical()
    bare.reload()
    searcher = bare.searcher()
    with index._store.reading() as snapshot:
        leg = snapshot.lexical

    def other(peer: Any) -> Answer:
        return lambda i: list(peer.query(texts[i], 10))

    return {
        OURS: lambda i: list(leg.search(terms[i], 10).ordinals.tolist()),
        f"{OURS}, search": lambda i: numbers([h.id for h in index.search(queries[i].text, mode="lexical")]),
        "tantivy, bare": lambda i: list(bare_search(bare, searcher, terms[i], 10).tolist()),
        **{peer.name: other(peer) for peer in peers},
    }


# -- vectors


def _vector(house: House, index: Index, folder: Path, report: Report, built: Table) -> None:
    table = report.table(
        "Vector leg",
        note=(
            "The least ef that reaches the recall on other queries; then the recall on these. Ours at bare "
            "hnswlib's ef, and at its own default. `by bare`: p50 by bare hnswlib's at that recall."
        ),
    )
    peers = installed(VECTOR, built, folder, house.vectors)
    queries = stack(house.queries("long"))
    exact = house.exact(queries, 10)
    trial = stack(house.queries("long", salt=3))
    truth = house.exact(trial, 10)
    with index._store.reading() as snapshot:
        leg = snapshot.vectors

    def ours(ef: int) -> Answer:
        return lambda i: list(leg.search(queries[i], 10, None, ef).ordinals.tolist())

    for target in TARGETS:
        efs = {peer.name: chosen(peer, trial, truth, target) for peer in peers}
        efs |= {OURS: efs[peers[0].name], f"{OURS}, default": EF_SEARCH}
        contestants = {name: ours(efs[name]) for name in (OURS, f"{OURS}, default")}
        contestants |= {peer.name: _near(peer, queries) for peer in peers}
        for peer in peers:
            peer.set_ef(efs[peer.name])
        found = interleave(dict(contestants), len(queries), rounds=house.plan.rounds)
        bare = found[peers[0].name].p50
        for name, timing in found.items():
            share = recall([contestants[name](i) for i in range(len(queries))], exact)
            cells: dict[str, float] = {"ef": efs[name], "recall@10": share}
            table.add(target=target, what=name, **timing.row(), **cells, **{"by bare": timing.p50 / bare})


def _near(peer: Any, queries: Any) -> Answer:
    return lambda i: list(peer.query(queries[i], 10))


def chosen(peer: Any, queries: Any, exact: list[list[int]], target: float) -> int:
    """The least ef of some with which ``peer`` finds that share."""
    for ef in _EFS:
        peer.set_ef(ef)
        if recall([peer.query(query, 10) for query in queries], exact) >= target:
            return ef
    return _EFS[-1]
