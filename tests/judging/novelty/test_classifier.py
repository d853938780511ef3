"""The real DeBERTa-v2 architecture, an spm.model as tokenizer, against the model called by hand."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diversity_eval.errors import DiversityEvalError
from diversity_eval.judging.novelty.classifier import PairEncoder, TransformersClassifier
from diversity_eval.judging.novelty.config import ClassifierConfig
from diversity_eval.judging.novelty.items import Answer, Comparison, Pair
from diversity_eval.judging.novelty.normaliser import restore_normaliser
from tests.judging.novelty.models import SENTENCES, build_classifier

_ENCODERS: dict[Path, Any] = {}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_classifier(tmp_path_factory.mktemp("classifier"))


def config(folder: Path, **changes: Any) -> ClassifierConfig:
    return ClassifierConfig("small", "classifier", **{"model": str(folder), "device": "cpu", **changes})


def pair(a: str, b: str) -> Pair:
    return Answer("q", a), Answer("q", b)


def compared(test: TransformersClassifier, pairs: Sequence[Pair]) -> list[Comparison]:
    found: dict[int, Comparison] = {}

    def keep(batch: Sequence[tuple[int, Comparison]]) -> None:
        assert not found.keys() & {index for index, _ in batch}
        found.update(batch)

    test.compare(pairs, keep)
    return [found[index] for index in range(len(pairs))]


def by_hand(folder: Path, a: str, b: str, most: int = 128) -> float:
    """One pair, no batch, no attention mask; ids by the sentencepiece library."""
    import sentencepiece
    import torch
    from transformers import AutoModelForSequenceClassification

    pieces = sentencepiece.SentencePieceProcessor(model_file=str(folder / "spm.model"))
    first, second = pieces.encode(a)[:most], pieces.encode(b)[:most]
    ids = [1, *first, 2, *second, 2]  # [CLS] is 1 and [SEP] 2 in the vocabulary, as in the published one
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    segments = [0] * (len(first) + 2) + [1] * (len(second) + 1)
    uses_segments = model.config.type_vocab_size > 0
    with torch.no_grad():
        logits = model(
            input_ids=torch.tensor([ids]),
            token_type_ids=torch.tensor([segments]) if uses_segments else None,
        ).logits
    return float(logits.softmax(-1)[0, 1])


def texts() -> list[tuple[str, str]]:
    """Pairs of very different lengths."""
    joined = [" ".join(SENTENCES[: n % 7 + 1]) for n in range(24)]
    return [(joined[n], SENTENCES[(5 * n) % len(SENTENCES)]) for n in range(24)]


@pytest.mark.parametrize("batch_size", [1, 5, 64])
def test_probabilities_are_those_of_single_calls(folder: Path, batch_size: int) -> None:
    test = TransformersClassifier(config(folder, batch_size=batch_size))
    found = compared(test, [pair(a, b) for a, b in texts()])
    for comparison, (a, b) in zip(found, texts(), strict=True):
        assert comparison.probability == pytest.approx(by_hand(folder, a, b), abs=2e-6)
    assert len({round(c.probability or 0, 4) for c in found}) > 10  # the model tells them apart


def test_segments_reach_a_model_that_has_them(tmp_path: Path) -> None:
    folder = build_classifier(tmp_path, type_vocab_size=2)
    (found,) = compared(TransformersClassifier(config(folder)), [pair(*texts()[3])])
    assert found.probability == pytest.approx(by_hand(folder, *texts()[3]), abs=2e-6)
    without = build_classifier(tmp_path / "without", type_vocab_size=0)
    (other,) = compared(TransformersClassifier(config(without)), [pair(*texts()[3])])
    assert found.probability != pytest.approx(other.probability, abs=1e-4)


def test_pairs_are_not_symmetric(folder: Path) -> None:
    a, b = texts()[6]
    there, back = compared(TransformersClassifier(config(folder)), [pair(a, b), pair(b, a)])
    assert there.probability != pytest.approx(back.probability, abs=1e-5)


def test_same_is_strictly_above_the_threshold(folder: Path) -> None:
    (found,) = compared(TransformersClassifier(config(folder)), [pair(*texts()[0])])
    assert found.probability is not None
    (at,) = compared(TransformersClassifier(config(folder, threshold=found.probability)), [pair(*texts()[0])])
    (below,) = compared(
        TransformersClassifier(config(folder, threshold=found.probability - 1e-9)), [pair(*texts()[0])]
    )
    assert (at.same, below.same) == (False, True)


def test_the_other_label(folder: Path) -> None:
    one, zero = (
        compared(TransformersClassifier(config(folder, same_label=label)), [pair(*texts()[0])])[0].probability
        for label in (1, 0)
    )
    assert one is not None
    assert zero == pytest.approx(1 - one, abs=1e-6)


def test_long_responses_are_cut_and_said_to_be(folder: Path) -> None:
    long, short = " ".join(SENTENCES), SENTENCES[0]
    test = TransformersClassifier(config(folder))
    found = compared(test, [pair(long, short), pair(short, long), pair(long, long), pair(short, short)])
    assert [c.cut for c in found] == [(True, False), (False, True), (True, True), (False, False)]
    assert found[0].probability == pytest.approx(by_hand(folder, long, short), abs=2e-6)
    assert found[2].probability == pytest.approx(by_hand(folder, long, long), abs=2e-6)
    assert test.record()["tokens"] <= 4 * (2 * 128 + 3)


def test_exactly_the_limit_is_not_cut(folder: Path) -> None:
    import sentencepiece

    pieces = sentencepiece.SentencePieceProcessor(model_file=str(folder / "spm.model"))
    words = " ".join(SENTENCES).split()
    most = len(pieces.encode(" ".join(words[:20])))
    test = TransformersClassifier(config(folder, max_tokens=most))
    at, above = compared(test, [pair(" ".join(words[:20]), words[0]), pair(" ".join(words[:21]), words[0])])
    assert (at.cut, above.cut) == ((False, False), (True, False))


def test_empty_responses_can_be_compared(folder: Path) -> None:
    (found,) = compared(TransformersClassifier(config(folder)), [pair("", SENTENCES[0])])
    assert found.probability == pytest.approx(by_hand(folder, "", SENTENCES[0]), abs=2e-6)


@pytest.mark.parametrize(
    "text",
    [
        "The baker… paints", "The\u00a0baker", "Ｔｈｅ baker", "ﬁne ½ clock", "x\u200by", "a\u00a0 \u00a0b",
        "tab\tnew\nline  two", "“quotes” – dash", "e\u0301 é", "\ufffd odd", "bell\x07 x", "\u3000x ", "",
    ],
)  # fmt: skip
def test_ids_are_those_of_sentencepiece(folder: Path, text: str) -> None:
    """transformers 5 reads the vocabulary without its normaliser: an ellipsis would be an unknown token."""
    import sentencepiece
    from transformers import AutoTokenizer

    pieces = sentencepiece.SentencePieceProcessor(model_file=str(folder / "spm.model"))
    encoder = PairEncoder(AutoTokenizer.from_pretrained(folder), config(folder))
    assert encoder.texts([text])[text][0] == pieces.encode(text)


@given(st.text(max_size=40))
def test_ids_of_any_text_are_those_of_sentencepiece(folder: Path, text: str) -> None:
    import sentencepiece
    from transformers import AutoTokenizer

    if folder not in _ENCODERS:
        _ENCODERS[folder] = (
            PairEncoder(AutoTokenizer.from_pretrained(folder), config(folder)),
            sentencepiece.SentencePieceProcessor(model_file=str(folder / "spm.model")),
        )
    encoder, pieces = _ENCODERS[folder]
    assert encoder.texts([text])[text][0] == pieces.encode(text)


def test_a_tokenizer_that_has_its_normaliser_stays_as_it_is(folder: Path, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert restore_normaliser(tokenizer)
    assert not restore_normaliser(tokenizer)
    tokenizer.save_pretrained(tmp_path)  # a tokenizer.json: whatever is in it counts
    assert not restore_normaliser(AutoTokenizer.from_pretrained(tmp_path))


def test_no_text_becomes_a_special_token(folder: Path) -> None:
    from transformers import AutoTokenizer

    encoder = PairEncoder(AutoTokenizer.from_pretrained(folder), config(folder))
    attempts = ["[SEP]", "a [SEP] b", "[CLS][PAD]", "x[MASK]x", "[UNK]", "▁[SEP]"]
    for text, (ids, _) in encoder.texts(attempts).items():
        assert not {encoder.cls, encoder.sep, encoder.pad} & set(ids), text
        joined, segments = encoder.join(ids, ids)
        assert joined.count(encoder.sep) == 2
        assert segments == [0] * (len(ids) + 2) + [1] * (len(ids) + 1)


def test_a_nan_is_not_known(folder: Path, tmp_path: Path) -> None:
    import torch

    test = TransformersClassifier(config(folder))
    with torch.no_grad():
        test._model.classifier.weight.fill_(float("nan"))
    (found,) = compared(test, [pair(*texts()[0])])
    assert (found.same, found.probability) == (None, None)
    assert "not a number" in found.reason


def test_too_little_memory_halves_the_batch(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    test = TransformersClassifier(config(folder, batch_size=8))
    forward = test._forward

    def small(rows: Any) -> list[float]:
        if len(rows) > 2:
            raise torch.OutOfMemoryError
        return forward(rows)

    monkeypatch.setattr(test, "_forward", small)
    found = compared(test, [pair(a, b) for a, b in texts()[:8]])
    assert found[5].probability == pytest.approx(by_hand(folder, *texts()[5]), abs=2e-6)

    def nothing(rows: Any) -> list[float]:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(test, "_forward", nothing)
    (lost,) = compared(test, [pair(*texts()[0])])
    assert lost.same is None
    assert "memory" in lost.reason


def test_memory_is_bounded_by_the_batch(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many pairs there are, no more than a portion is encoded, and a batch computed, at once."""
    test = TransformersClassifier(config(folder, batch_size=2))
    forward, encode = test._forward, test._encoder.texts
    rows: list[int] = []
    encoded: list[int] = []

    def count_rows(batch: Any) -> list[float]:
        rows.append(len(batch))
        return forward(batch)

    def count_texts(given: Sequence[str]) -> Any:
        encoded.append(len(given))
        return encode(given)

    monkeypatch.setattr(test, "_forward", count_rows)
    monkeypatch.setattr(test._encoder, "texts", count_texts)
    compared(test, [pair(SENTENCES[n % 48], SENTENCES[(n + 1) % 48]) for n in range(300)])
    assert max(rows) == 2
    assert max(encoded) == 2 * 2 * 64


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"same_label": 2}, "has 2 labels"),
        ({"max_tokens": 300}, "lower `max_tokens`"),
        ({"model": "nobody/has-such-a-model"}, "does not load"),
        ({"dtype": "float12"}, "dtype 'float12'"),
        ({"device": "cuda:7"}, "no device"),
    ],
)
def test_what_does_not_fit_is_one_error(folder: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(DiversityEvalError, match=said) as caught:
        TransformersClassifier(config(folder, **changes))
    assert "classifier small" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_model_without_a_trained_head_is_refused(folder: Path, tmp_path: Path) -> None:
    """transformers would fill the head with random numbers and go on."""
    from transformers import AutoModel

    shutil.copytree(folder, tmp_path / "bare")
    AutoModel.from_pretrained(folder).save_pretrained(tmp_path / "bare")
    with pytest.raises(DiversityEvalError, match="no weights for classifier"):
        TransformersClassifier(config(tmp_path / "bare"))


def test_one_label_is_refused(tmp_path: Path) -> None:
    folder = build_classifier(tmp_path, labels=1)
    with pytest.raises(DiversityEvalError, match="has 1 label;"):
        TransformersClassifier(config(folder))


def test_a_tokenizer_of_another_model_is_refused(folder: Path, tmp_path: Path) -> None:
    other = build_classifier(tmp_path, pieces=40, vocab_size=45)
    with pytest.raises(DiversityEvalError, match="do not belong together"):
        TransformersClassifier(config(other, tokenizer=str(folder)))


def test_a_tokenizer_without_separator_is_refused(folder: Path, tmp_path: Path) -> None:
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    plain = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel({"a": 0}, unk_token="a")))
    plain.save_pretrained(tmp_path / "plain")
    with pytest.raises(DiversityEvalError, match="no cls token"):
        TransformersClassifier(config(folder, tokenizer=str(tmp_path / "plain")))


def test_the_record_says_what_ran(folder: Path) -> None:
    test = TransformersClassifier(config(folder))
    compared(test, [pair(*texts()[0]), pair(*texts()[1])])
    record = json.loads(json.dumps(test.record()))
    assert (record["device"], record["dtype"], record["pairs"]) == ("cpu", "torch.float32", 2)
    assert record["padding"] > 0
    test.close()


def test_nf4_comes_near_full_precision(tmp_path: Path) -> None:
    folder = build_classifier(tmp_path, hidden_size=128, intermediate_size=256, initializer_range=0.1)
    pairs = [pair(a, b) for a, b in texts()]
    full = compared(TransformersClassifier(config(folder)), pairs)
    four = compared(TransformersClassifier(config(folder, quantization="nf4", dtype="bfloat16")), pairs)
    differences = [abs((a.probability or 0) - (b.probability or 0)) for a, b in zip(full, four, strict=True)]
    assert 0 < max(differences) < 0.2


def test_it_loads_without_accelerate_as_in_a_vllm_environment(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from diversity_eval.judging.backends import loading

    monkeypatch.setattr(loading, "find_spec", lambda name: None)
    (found,) = compared(TransformersClassifier(config(folder)), [pair(*texts()[0])])
    assert found.probability == pytest.approx(by_hand(folder, *texts()[0]), abs=2e-6)


def test_halves_of_surrogate_pairs_are_compared_like_any_text(folder: Path) -> None:
    text = f"\ud800 {SENTENCES[0]}"
    (found,) = compared(TransformersClassifier(config(folder)), [pair(text, SENTENCES[1])])
    assert found.probability == pytest.approx(
        by_hand(folder, f"\ufffd {SENTENCES[0]}", SENTENCES[1]), abs=2e-6
    )


def test_a_cpu_without_memory_halves_the_batch_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    test = TransformersClassifier(config(folder, batch_size=4))
    forward = test._forward

    def small(rows: Any) -> list[float]:
        if len(rows) > 1:
            raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory")
        return forward(rows)

    monkeypatch.setattr(test, "_forward", small)
    assert all(c.same is not None for c in compared(test, [pair(a, b) for a, b in texts()[:4]]))

    def other(rows: Any) -> list[float]:
        raise RuntimeError("the size of tensor a must match")

    monkeypatch.setattr(test, "_forward", other)
    with pytest.raises(RuntimeError, match="must match"):
        compared(test, [pair(*texts()[0])])


def _cut_off(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[: weights.stat().st_size // 2])


def _wrong_kind(folder: Path) -> None:
    settings = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**settings, "num_hidden_layers": "two"}))


def _unknown_activation(folder: Path) -> None:
    settings = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**settings, "hidden_act": "nosuch"}))


def _broken_tokenizer(folder: Path) -> None:
    (folder / "spm.model").write_bytes(b"not a model")


def _broken_header(folder: Path) -> None:
    header = json.dumps({"x": {"dtype": "F32"}}).encode()
    (folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)


@pytest.mark.parametrize(
    "spoil", [_cut_off, _wrong_kind, _unknown_activation, _broken_tokenizer, _broken_header]
)
def test_a_broken_checkpoint_is_one_line(folder: Path, tmp_path: Path, spoil: Any) -> None:
    shutil.copytree(folder, tmp_path / "broken")
    spoil(tmp_path / "broken")
    with pytest.raises(DiversityEvalError, match="classifier small") as caught:
        TransformersClassifier(config(tmp_path / "broken"))
    assert "\n" not in str(caught.value)
    assert "pip install" not in str(caught.value)


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(DiversityEvalError, match="there is no folder /nowhere/at/all"):
        TransformersClassifier(config(Path("/nowhere/at/all")))
