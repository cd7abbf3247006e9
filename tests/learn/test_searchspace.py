"""What tuning tries: sound profiles, each method's own neighbours, and legs that are the legs."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from hybrid import RRF, Document, Index, Linear
from hybrid.fusion import Adaptive, Rocchio, Voting, dump
from hybrid.learn.searchspace import METHODS, RRF_60, STAGES, Method, first_look, leg, method_of
from hybrid.search.legs import Legs
from hybrid.search.searcher import Searcher
from hybrid.settings import Profile
from hybrid.types import Fusion
from tests.asking import of_now


def test_the_first_look_has_the_default_rrf_60_both_legs_and_every_method() -> None:
    profiles = first_look(Legs(), Profile())
    assert profiles[0] == Profile()
    assert profiles[1].fuse() == RRF(60)
    for known in (RRF_60, leg("lexical"), leg("vector")):
        assert known in profiles
    assert {method.name for method in METHODS} <= set(map(method_of, profiles))


def test_what_is_tried_keeps_the_votes_and_the_adapter_that_serve() -> None:
    serving = Profile(depth=30, voting=Voting(4, 0.5), adapter="a" * 64)
    tried = first_look(Legs(), serving)
    tried += [made for _, stage in STAGES for made in stage(tried[0])]
    assert {(one.voting, one.adapter) for one in tried} == {(serving.voting, serving.adapter)}


def test_the_neighbours_of_the_default_do_without_coverage() -> None:
    around = [one.fuse() for one in dict(STAGES)["neighbours"](Profile())]
    assert Rocchio(Linear((0.5, 0.5), "softplus", complete=True)) in around
    assert all(one.first.coverage in (0, 0.5) for one in around if isinstance(one, Rocchio))  # type: ignore[attr-defined]


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_a_methods_values_can_be_stored_and_vary_within_it(method: Method) -> None:
    for value in method.coarse:
        assert dump(value)["method"] == method.name
        near = list(method.finer(value))
        assert near
        assert {dump(one)["method"] for one in near} == {method.name}
        for one in near:
            assert Profile(fusion=dump(one)).fuse() == one


def test_each_stage_varies_one_thing() -> None:
    leading = Profile(fusion=dump(Linear((0.3, 0.7))), depth=100, title_boost=0.5)
    for (name, stage), field in zip(STAGES, ("title_boost", "depth", "fusion"), strict=True):
        made = stage(leading)
        assert len({one.model_dump_json() for one in made} | {leading.model_dump_json()}) > 2, name
        for one in made:
            assert one.model_copy(update={field: getattr(leading, field)}) == leading


def test_weights_stay_between_the_legs() -> None:
    around = dict(STAGES)["neighbours"]
    shares = {one.fuse().weights[0] for one in around(leg("lexical"))}  # type: ignore[attr-defined]
    assert shares == {1.0, 0.95}


@pytest.mark.parametrize(
    "value",
    [RRF(1_000_000), RRF(0), Adaptive("gap", 100, -100), Rocchio(RRF(), 0), Linear((0, 3))],
    ids=repr,
)
def test_the_neighbours_of_what_somebody_installed_are_sound(value: Fusion) -> None:
    for one in dict(STAGES)["neighbours"](Profile(fusion=dump(value))):
        assert dump(one.fuse()) == one.fusion


def test_a_method_without_an_entry_has_no_neighbours() -> None:
    assert dict(STAGES)["neighbours"](Profile(fusion={"method": "combsum"})) == []


def test_the_legs_as_profiles_rank_as_the_modes_do(tmp_path: Path) -> None:
    def encoder(texts: Sequence[str]) -> NDArray[np.float64]:
        return np.stack([np.random.default_rng(zlib.crc32(t.encode())).normal(size=8) for t in texts])

    with Index.create(tmp_path / "idx", encoder=encoder) as index:
        index.add(Document(str(i), f"all word{i % 7} other{i % 31}", f"t{i % 3}") for i in range(200))
        queries = {"1": "all word3", "2": "word5 other7 t1"}
        lexical, vector = of_now(
            index, Searcher.run_profiles, queries, [leg("lexical"), leg("vector")], k=10
        )
        for run, mode in ((lexical, "lexical"), (vector, "vector")):
            for query, hits in index.run(queries, k=10, mode=mode).items():  # type: ignore[arg-type]
                assert [id for id, _ in run[query]] == [id for id, _ in hits]
