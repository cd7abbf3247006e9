"""Which legs an index has, and that nobody offers, guards or reports one that it lacks."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from hybrid import Document, Index
from hybrid.errors import InputError
from hybrid.evaluate import answering
from hybrid.fusion import RRF, Linear, Rocchio, dump
from hybrid.learn import learn, tune
from hybrid.search.legs import Legs
from hybrid.settings import Profile
from hybrid.types import Fusion, Qrels
from tests.asking import of_now
from tests.commands import Files, answer, judged_files, refusal, run
from tests.contracts.index import letters
from tests.encoder_models import LETTERS

NO_ENCODER = "no vector leg, since there is no encoder to make vectors of queries with"
NO_VECTOR = "no vector leg, since no document has a vector"
NO_WORD = "no lexical leg, since no document has a word"


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Index]]:
    made: list[Index] = []

    def index(*documents: Document, encoder: object = letters) -> Index:
        made.append(Index.create(tmp_path / str(len(made)), encoder=encoder))  # type: ignore[arg-type]
        made[-1].add(documents)
        return made[-1]

    yield index
    for one in made:
        one.close()


def test_which_legs_there_are(make: Callable[..., Index]) -> None:
    text, vector = Document("1", "kettle"), Document("2", vector=np.ones(32))
    stopped, silent = Document("3", "the of and"), Document("4", "…", vector=np.ones(32))
    both = make(text)
    legs = of_now(both, lambda searcher: searcher.legs)
    assert (legs.there, legs.both, str(legs)) == (("lexical", "vector"), True, "")
    for index, there, said in (
        (make(text, encoder=None), ("lexical",), NO_ENCODER),
        (make(text, vector, encoder=None), ("lexical",), NO_ENCODER),
        (make(vector), ("vector",), NO_WORD),
        (make(vector, silent), ("vector",), NO_WORD),
        (make(stopped, silent, text), ("lexical", "vector"), ""),
        (make(), (), f"{NO_WORD}; {NO_VECTOR}"),
        (make(vector, encoder=None), (), f"{NO_WORD}; {NO_ENCODER}"),
    ):
        legs = of_now(index, lambda searcher: searcher.legs)
        assert (legs.there, str(legs)) == (there, said)


def test_the_dead_have_no_legs(make: Callable[..., Index]) -> None:
    index = make(Document("1", "kettle"), Document("2", vector=np.ones(32)))
    index.delete(["1"])
    assert of_now(index, lambda searcher: searcher.legs).there == ("vector",)
    index.delete(["2"])
    assert not of_now(index, lambda searcher: searcher.legs).there


def test_the_ways_to_ask() -> None:
    assert answering(Legs()) == ["lexical", "vector", "hybrid"]
    assert answering(Legs(vector="why not")) == ["lexical"]
    assert answering(Legs(lexical="why not")) == ["vector"]
    with pytest.raises(InputError, match="no lexical leg, since a; no vector leg, since b"):
        answering(Legs("a", "b"))


@pytest.mark.parametrize("encoder", [None, letters])
@pytest.mark.parametrize(
    "fusion",
    [Linear((0, 1)), Linear((1, 0)), RRF(60, (0, 1)), RRF(60, (1, 0)), Rocchio(Linear((0, 1))), Rocchio()],
    ids=repr,
)
def test_where_one_leg_answers_hybrid_is_that_leg_whatever_it_weighs(
    make: Callable[..., Index], fusion: Fusion, encoder: object
) -> None:
    texts = ("kettle", "kettle of steel", "a kettle, a lamp and a steel rope", "steel", "rope")
    documents = [Document(str(i), text) for i, text in enumerate(texts)]
    alone = "lexical"
    if encoder is not None:
        documents = [Document(one.id, vector=letters([one.text])[0]) for one in documents]
        alone = "vector"
    index = make(*documents, encoder=encoder)
    index.install(Profile(fusion=dump(fusion)))
    expected = [hit.id for hit in index.search("steel kettle", mode=alone)]  # type: ignore[arg-type]
    assert [hit.id for hit in index.search("steel kettle")] == expected
    assert len({hit.score for hit in index.search("steel kettle")}) > 1


# An index of words alone, whose judged documents were added first


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """Two documents hold the words of a query: one them alone, and the judged one, which was added first,
    others, too."""
    random = np.random.default_rng(0)
    pairs = [" ".join("".join(random.choice(list(LETTERS), 6)) for _ in "ab") for _ in range(90)]
    texts = [f"{pair} and a kettle of steel" for pair in pairs] + pairs
    files = judged_files(
        tmp_path_factory.mktemp("words"),
        [],
        {f"q{i}": pair for i, pair in enumerate(pairs)},
        ((f"q{i}", f"d{i}") for i in range(90)),
    )
    shutil.rmtree(files.folder)
    with Index.create(files.folder, encoder=None) as index:
        index.add(Document(f"d{i}", text) for i, text in enumerate(texts))
    return files


def test_tune_installs_no_leg_that_is_not_there(files: Files) -> None:
    said = run("tune", *files.arguments, "--json")
    assert said.json["installed"] is None
    assert list(said.json["systems"]) == ["serving", "tuned", "lexical leg"]
    assert list(said.json["verdict"]["guards"]) == ["lexical leg"]
    fusions = {json.dumps(one["profile"]["fusion"]) for one in said.json["systems"].values()}
    assert fusions == {json.dumps(Profile().fusion), json.dumps(dump(Linear((1, 0))))}
    assert said.err == f"hybrid: {NO_ENCODER}\n"
    shown = run("tune", *files.arguments, "--dry-run").out
    assert "vector" not in shown
    assert "RRF" not in shown


def test_what_was_installed_for_a_leg_that_is_not_there_does_no_harm(files: Files) -> None:
    with Index.open(files.folder) as index:
        queries = {
            "q": "a kettle of steel",
            "r": json.loads(files.queries.read_text().splitlines()[0])["text"],
        }
        before = index.run(queries, k=10)
        index.install(Profile(fusion=dump(Linear((0, 1)))))
        after = index.run(queries, k=10)
    assert [[id for id, _ in hits] for hits in after.values()] == [
        [id for id, _ in hits] for hits in before.values()
    ]


def test_train_and_rerank_know_no_leg_that_is_not_there(files: Files) -> None:
    with Index.open(files.folder) as index:
        index.install(Profile(depth=10))
    told = run("train", *files.arguments, "--max-queries", "12", "--dry-run", "--json").json
    assert list(told["systems"]) == ["serving", "lambdamart", "lexical leg"]
    assert set(told["compared"]) == {"serving", "lexical leg"}
    assert not [name for name in told["importances"] if "vector" in name or "similarity" in name]
    said = run("rerank", *files.arguments, "--mmr", status=2).err
    assert "no candidate has a vector" in said


def test_calibrate_and_evaluate_ask_the_leg_that_is_there(files: Files) -> None:
    said = run("calibrate", *files.arguments, "--dry-run", "--json")
    assert list(said.json["modes"]) == ["lexical"]
    assert said.err == f"hybrid: {NO_ENCODER}\n"
    said = run("evaluate", *files.arguments, "--no-latency", "--json")
    assert list(said.json["systems"]) == ["lexical"]
    assert said.json["legs"] == {
        "lexical": None,
        "vector": "there is no encoder to make vectors of queries with",
    }
    assert said.err == f"hybrid: {NO_ENCODER}\n"
    both = answer("evaluate", *files.arguments, "--no-latency", "--mode", "lexical,hybrid")["systems"]
    assert both["hybrid"] == both["lexical"]
    assert NO_ENCODER in refusal("evaluate", *files.arguments, "--mode", "vector")


def test_vectors_without_words_are_tuned_as_one_leg(make: Callable[..., Index]) -> None:
    index = make(*(Document(f"d{i}", vector=letters([f"{i}"])[0]) for i in range(40)))
    queries = {f"q{i}": f"{i}" for i in range(60)}
    qrels: Qrels = {f"q{i}": {f"d{i % 40}": 1} for i in range(60)}
    found = of_now(index, tune, queries, qrels)
    assert list(found.systems) == ["serving", "tuned", "vector leg"]
    assert found.installs is None


def test_an_index_without_a_leg_is_no_index_to_learn_from(make: Callable[..., Index]) -> None:
    index = make(Document("d", vector=np.ones(32)), encoder=None)
    queries = {f"q{i}": f"text {i}" for i in range(60)}
    with pytest.raises(InputError, match=NO_ENCODER):
        of_now(index, tune, queries, {query: {"d": 1} for query in queries})
    with pytest.raises(InputError, match="no leg finds a candidate"):
        of_now(index, learn, queries, {query: {"d": 1} for query in queries})
