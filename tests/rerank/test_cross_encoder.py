"""Cross-encoders: what reads query and text together orders the first candidates."""

from __future__ import annotations

import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hybrid import Index
from hybrid.errors import EncoderFailed, MissingExtra, ModelNotFound, QueryError
from hybrid.rerank import CrossEncoder, neural, rerank
from hybrid.rerank.ordering import standard
from hybrid.types import Candidates
from tests.cross_encoder_models import COLOURS, KINDS, QUERIES, TINTS, documents
from tests.cross_encoder_models import cross_encoder as model_of

TEXTS = [f"zbb {tint}" for tint in TINTS]


def asked(one: CrossEncoder, query: str | None, texts: list[str]) -> Candidates:
    """What it makes of candidates 0, 1, ... that stand in order, checked as the engine does."""
    column = np.array([*texts, None], np.object_)[:-1]
    fused = Candidates(np.arange(len(texts)), np.linspace(1, 0, len(texts), dtype=np.float32))
    return rerank(one, query, fused, {"text": column})


def test_it_tells_what_belongs_together(trained: str) -> None:
    for kind in range(KINDS):
        assert asked(CrossEncoder(trained), f"zbb {COLOURS[kind]}", TEXTS).ordinals[0] == kind


def test_only_the_first_are_reordered_and_the_rest_stays_below(trained: str) -> None:
    found = asked(CrossEncoder(trained, top=3), "zbb green", TEXTS)
    assert found.ordinals[0] == 2
    assert sorted(found.ordinals[:3].tolist()) == [0, 1, 2]
    assert found.ordinals[3:].tolist() == [3, 4]
    outside = asked(CrossEncoder(trained, top=3), "zbb white", TEXTS)
    assert outside.ordinals[3:].tolist() == [3, 4]


def test_the_weight_stands_between_its_own_score_and_the_fused_one(trained: str) -> None:
    said = CrossEncoder(trained).scores("zbb white", TEXTS)
    own, fused = standard(said), standard(np.linspace(1, 0, KINDS))
    for weight in (0.0, 0.3, 1.0):
        found = asked(CrossEncoder(trained, weight=weight), "zbb white", TEXTS)
        mixed = weight * own + (1 - weight) * fused
        np.testing.assert_allclose(found.scores, np.sort(mixed)[::-1], rtol=1e-4, atol=1e-5)
    assert asked(CrossEncoder(trained, weight=0), "zbb white", TEXTS).ordinals.tolist() == [*range(KINDS)]


def test_without_a_text_or_a_candidate_the_order_stays(trained: str) -> None:
    nowhere = CrossEncoder("no/model")  # which is not even looked for
    assert asked(nowhere, None, TEXTS).ordinals.tolist() == [0, 1, 2, 3, 4]
    assert len(asked(nowhere, "zbb blue", [])) == 0
    assert asked(CrossEncoder(trained), "zbb blue", ["zbb amber"]).ordinals.tolist() == [0]
    assert sorted(asked(CrossEncoder(trained), "", ["", "zbb amber"]).ordinals.tolist()) == [0, 1]


def test_what_is_beyond_its_window_costs_nothing_and_changes_nothing(trained: str) -> None:
    texts = [text + " zbb" * 100_000 for text in TEXTS]
    assert asked(CrossEncoder(trained), "zbb yellow", texts).ordinals[0] == 3


def test_in_a_search_from_several_threads(trained: str, tmp_path: Path) -> None:
    with Index.create(tmp_path / "idx", encoder=None) as index:
        index.add(documents())
        reranker = CrossEncoder(trained)

        def first(place: int) -> str:
            return index.search(QUERIES[f"q{place}"], k=1, reranker=reranker).hits[0].id

        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(first, range(20))) == [f"d{place}.{place % KINDS}" for place in range(20)]


def test_it_loads_with_its_first_query_and_once_for_all_weights(
    trained: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    neural._load.cache_clear()
    CrossEncoder(trained)
    assert neural._load.cache_info().misses == 0
    monkeypatch.chdir(Path(trained).parent)
    for model in (trained, Path(trained).name):
        for weight in (0.1, 0.9):
            asked(CrossEncoder(model, weight=weight), "zbb yellow", TEXTS)
    assert neural._load.cache_info().misses == 1
    assert capfd.readouterr() == ("", "")


def test_a_pinned_one_is_found_from_everywhere_and_takes_no_other_weights(
    trained: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(trained, tmp_path / "model")
    monkeypatch.chdir(tmp_path)
    pinned = CrossEncoder("model", weight=0.5).pinned()
    assert pinned == CrossEncoder(str(tmp_path / "model"), weight=0.5, version=pinned.version)
    assert pinned.version == CrossEncoder(trained).pinned().version
    monkeypatch.chdir("/")
    assert asked(pinned, "zbb yellow", TEXTS).ordinals[0] == 3
    shutil.rmtree(tmp_path / "model")
    model_of(tmp_path / "model", steps=1)
    neural._load.cache_clear()
    with pytest.raises(
        EncoderFailed, match=rf"is now version .*, not {pinned.version}, which was evaluated"
    ):
        asked(pinned, "zbb yellow", TEXTS)


def test_a_model_that_cannot_be_had_is_an_error_of_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    (tmp_path / "empty").mkdir()
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "config.json").write_text('{"model_type": "oracle"}')
    for model, error, complaint in (
        ("nobody/nothing", ModelNotFound, "'nobody/nothing' is nowhere to be found: no folder"),
        ("a b\nc", ModelNotFound, "is nowhere to be found"),
        (str(tmp_path / "empty"), EncoderFailed, "is not a cross-encoder model: "),
        (str(tmp_path / "odd"), EncoderFailed, "is not a cross-encoder model: "),
    ):
        with pytest.raises(error, match=complaint) as raised:
            asked(CrossEncoder(model), "zbb blue", TEXTS)
        assert "\n" not in str(raised.value)


def test_a_model_of_several_labels_gives_no_ranking(tmp_path: Path) -> None:
    model = model_of(tmp_path / "labels", steps=0, labels=3)
    with pytest.raises(
        EncoderFailed, match=r"one finite number per pair; for 5 pairs it returned .*\(5, 3\)"
    ):
        asked(CrossEncoder(str(model)), "zbb blue", TEXTS)


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hybrid.errors.find_spec", lambda _name: None)
    with pytest.raises(MissingExtra, match=r"pip install 'hybrid-retrieval\[models\]'"):
        asked(CrossEncoder("somebody/model"), "zbb blue", TEXTS)


@pytest.mark.parametrize("settings", [{"weight": -0.1}, {"weight": 2}, {"top": 0}, {"top": 1.5}])
def test_what_it_cannot_be_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(QueryError, match=r"^CrossEncoder: (weight|top) is "):
        CrossEncoder("somebody/model", **settings)


def test_its_module_is_light() -> None:
    program = "import sys, hybrid.rerank; print(*{'torch', 'transformers', 'lightgbm'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
