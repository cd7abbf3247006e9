"""Late interaction: token vectors compared by MaxSim order the first candidates."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from hybrid import Document, Index
from hybrid.errors import EncoderFailed, ModelNotFound, QueryError
from hybrid.rerank import LateInteraction, neural, rerank
from hybrid.rerank.ordering import standard
from hybrid.rerank.stored import dump, load
from hybrid.settings import Profile
from hybrid.types import Candidates
from tests.encoder_models import letters_model
from tests.hub_models import offline, served, token_model

TEXTS = ["a cab in the rain", "the quick brown fox", "x", "", "a fox, quick and brown. " * 20]
COMMIT = "c" * 40


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return token_model(tmp_path_factory.mktemp("tokens"))


def test_its_scores_are_the_maxsim_of_the_models_token_vectors(model: Path) -> None:
    from sentence_transformers import MultiVectorEncoder

    network = MultiVectorEncoder(str(model), local_files_only=True)
    (query,) = (tokens.numpy() for tokens in network.encode_query(["quick fox"]))
    documents = [tokens.numpy() for tokens in network.encode_document(TEXTS)]
    expected = [(document @ query.T).max(axis=0).sum() for document in documents]
    found = LateInteraction(str(model)).scores("quick fox", TEXTS)
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    assert len(set(found.round(4).tolist())) == len(TEXTS)


def test_the_first_are_reordered_by_its_score_and_the_fused_one(model: Path) -> None:
    one = LateInteraction(str(model), top=4, weight=0.7)
    fused = Candidates(np.arange(5), np.linspace(1, 0, 5, dtype=np.float32))
    found = rerank(one, "quick fox", fused, {"text": np.array(TEXTS, np.object_)})
    mixed = 0.7 * standard(one.scores("quick fox", TEXTS[:4])) + 0.3 * standard(fused.scores[:4])
    assert found.ordinals.tolist() == [*np.argsort(-mixed, kind="stable").tolist(), 4]
    assert rerank(one, None, fused, {"text": np.array(TEXTS, np.object_)}) == fused


def test_one_of_the_hub_is_pinned_kept_and_serves(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offline(monkeypatch, tmp_path / "hub")
    neural._load.cache_clear()
    home = served(tmp_path / "hub", "a/b", {COMMIT: model}, main=COMMIT)
    pinned = LateInteraction("a/b", weight=0.5).pinned()
    assert pinned == LateInteraction(f"a/b@{COMMIT}", weight=0.5, version=COMMIT)
    assert load(json.loads(json.dumps(dump(pinned)))) == pinned
    (home / "refs" / "main").write_text("d" * 40)  # a newer one does not matter
    with Index.create(tmp_path / "idx", encoder=None) as index:
        index.add(Document(f"d{i}", text) for i, text in enumerate(TEXTS[:2]))
        index.install(Profile(reranker=index.keep_model(pinned)))
    with Index.open(tmp_path / "idx") as index:
        run = index.run({"q": "the fox"})
        assert run == index.run({"q": "the fox"}, reranker=LateInteraction(str(model), weight=0.5))
        shutil.rmtree(home)
        neural._load.cache_clear()
        with pytest.raises(ModelNotFound, match=r"put it back, or use another profile: hybrid profile"):
            index.search("the fox")


def test_other_weights_than_evaluated_are_refused(model: Path) -> None:
    with pytest.raises(EncoderFailed, match=r"is now version .*, not 0123, which was evaluated"):
        LateInteraction(str(model), version="0123").scores("a", ["b"])


def test_a_model_of_single_vectors_is_refused(tmp_path: Path) -> None:
    single = letters_model(tmp_path)
    with pytest.raises(EncoderFailed, match="name neither a MultiVectorEncoder nor a ColBERT"):
        LateInteraction(str(single)).scores("a", ["b"])


def test_what_it_cannot_be_is_refused() -> None:
    with pytest.raises(QueryError, match=r"^LateInteraction: weight is 2"):
        LateInteraction("a/b", weight=2)
    with pytest.raises(QueryError, match=r"^LateInteraction: top is 0"):
        LateInteraction("a/b", top=0)
