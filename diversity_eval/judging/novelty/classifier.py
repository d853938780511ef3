"""The pair classifier: a sequence classification model over two texts, run by transformers."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from diversity_eval.errors import DiversityEvalError
from diversity_eval.judging.backends.loading import load_model
from diversity_eval.judging.backends.running import is_out_of_memory, release_memory, running_record
from diversity_eval.judging.novelty.config import ClassifierConfig
from diversity_eval.judging.novelty.items import Comparison, Pair
from diversity_eval.judging.novelty.normaliser import restore_normaliser
from diversity_eval.judging.untrusted import without_surrogates

__all__ = ["PairEncoder", "TransformersClassifier"]

_LARGEST_BATCH = 64  # pairs
# Pairs times tokens squared. Attention's temporary tensors grow with it; beyond this, measured on a CPU, each
# of them is fetched from the operating system and given back, and a pair takes longer instead of shorter.
_LARGEST_AREA_ON_CPU = 135_000
# So many batches are sorted by length together, so that memory does not grow with the work.
_BATCHES_SORTED = 64


class PairEncoder:
    """Token ids of pairs: `[CLS] a [SEP] b [SEP]`, each text cut to so many tokens.

    Segment ids are 0 up to and including the first `[SEP]`, then 1. No part of a text becomes a special
    token, whatever it spells.
    """

    def __init__(self, tokenizer: Any, config: ClassifierConfig) -> None:
        """Raises DiversityEvalError if the tokenizer has no beginning, separating or padding token."""
        restore_normaliser(tokenizer)
        self._tokenizer = tokenizer
        self._most = config.max_tokens
        names = ("cls", "sep", "pad")
        if lacking := [name for name in names if getattr(tokenizer, f"{name}_token_id", None) is None]:
            raise DiversityEvalError(
                f"{config.label}: its tokenizer has no {lacking[0]} token, so two texts cannot be put "
                "together; name the tokenizer that the model was trained with under `tokenizer`"
            )
        self.cls, self.sep, self.pad = (int(getattr(tokenizer, f"{name}_token_id")) for name in names)
        unknown = getattr(tokenizer, "unk_token_id", None)
        self._unknown = self.pad if unknown is None else int(unknown)
        self._special = {int(i) for i in tokenizer.all_special_ids} - {self._unknown}

    def texts(self, texts: Sequence[str]) -> dict[str, tuple[list[int], bool]]:
        """By text, its ids and whether it was cut."""
        different = list(dict.fromkeys(texts))
        if not different:
            return {}
        # In a sentencepiece vocabulary a special token's name is a piece, and can come out of plain text.
        encoded = self._tokenizer(
            [without_surrogates(text) for text in different],
            add_special_tokens=False,
            split_special_tokens=True,
            verbose=False,
        ).input_ids
        return {
            text: (
                [self._unknown if i in self._special else int(i) for i in ids[: self._most]],
                len(ids) > self._most,
            )
            for text, ids in zip(different, encoded, strict=True)
        }

    def join(self, a: list[int], b: list[int]) -> tuple[list[int], list[int]]:
        """Input ids and segment ids of a pair."""
        first = [self.cls, *a, self.sep]
        second = [*b, self.sep]
        return first + second, [0] * len(first) + [1] * len(second)


class TransformersClassifier:
    """Batches of pairs of about equal length, padded on the right. See `PairTest`."""

    def __init__(self, config: ClassifierConfig) -> None:
        """Load the model.

        Raises DiversityEvalError: an extra is missing, it does not load or fit into memory, was not trained
        as a classifier, or has no such label.
        """
        self._config = config
        self._model, tokenizer = load_model(config, "classification")
        self._encoder = PairEncoder(tokenizer, config)
        labels = int(self._model.config.num_labels)
        if labels < 2 or config.same_label >= labels:
            raise DiversityEvalError(
                f"{config.label}: {config.model} has {labels} label{'s' if labels > 1 else ''}; expected at "
                f"least two, one of them {config.same_label} for the same (`same_label`)"
            )
        size = int(self._model.get_input_embeddings().weight.shape[0])
        if len(tokenizer) > size or max(self._encoder.cls, self._encoder.sep, self._encoder.pad) >= size:
            raise DiversityEvalError(
                f"{config.label}: the tokenizer has {len(tokenizer)} tokens and the model only {size}, so "
                "they do not belong together; name the right one under `tokenizer`"
            )
        self._segments = int(getattr(self._model.config, "type_vocab_size", 0) or 0)
        longest = getattr(self._model.config, "max_position_embeddings", None)
        if longest is not None and "roberta" in str(self._model.config.model_type):
            longest -= self._encoder.pad + 1  # where its positions begin
        if longest is not None and longest < 2 * config.max_tokens + 3:
            raise DiversityEvalError(
                f"{config.label}: {config.model} takes {longest} tokens, and two responses of "
                f"{config.max_tokens} need {2 * config.max_tokens + 3}; lower `max_tokens`"
            )
        self._largest = config.batch_size or _LARGEST_BATCH
        by_area = config.batch_size is None and self._model.device.type == "cpu"
        self._area = _LARGEST_AREA_ON_CPU if by_area else None
        self._counts = {"pairs": 0, "tokens": 0, "padding": 0}

    def compare(
        self, pairs: Sequence[Pair], on_results: Callable[[Sequence[tuple[int, Comparison]]], None]
    ) -> None:
        """See `PairTest.compare`."""
        together = _BATCHES_SORTED * self._largest
        for begin in range(0, len(pairs), together):
            portion = pairs[begin : begin + together]
            texts = self._encoder.texts([answer.response for pair in portion for answer in pair])
            lengths = [3 + sum(len(texts[answer.response][0]) for answer in pair) for pair in portion]
            # The longest first: what does not fit into memory comes to light at once.
            order = sorted(range(len(portion)), key=lambda place: -lengths[place])
            for places in _batches(order, lengths, self._largest, self._area):
                rows = [
                    self._encoder.join(*(texts[answer.response][0] for answer in portion[i])) for i in places
                ]
                results = []
                for place, (probability, reason) in zip(places, self._probabilities(rows), strict=True):
                    a, b = portion[place]
                    cut = texts[a.response][1], texts[b.response][1]
                    same = None if probability is None else probability > self._config.threshold
                    results.append((begin + place, Comparison(same, probability, cut, reason)))
                on_results(results)

    def record(self) -> dict[str, Any]:
        """Device, dtype, commit, versions, and pairs and tokens computed so far."""
        return {**running_record(self._model), **self._counts}

    def close(self) -> None:
        """Give the model's memory back."""
        del self._model
        release_memory()

    def _probabilities(self, rows: list[tuple[list[int], list[int]]]) -> list[tuple[float | None, str]]:
        """The probability of the same for each row, or why there is none."""
        import torch

        try:
            found = self._forward(rows)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            if len(rows) == 1:
                return [(None, "the device has too little memory for this pair")]
        else:
            wrong = "the classifier gives a probability that is not a number"
            return [(p, "") if 0 <= p <= 1 else (None, wrong) for p in found]
        torch.cuda.empty_cache()
        half = len(rows) // 2
        return [*self._probabilities(rows[:half]), *self._probabilities(rows[half:])]

    def _forward(self, rows: list[tuple[list[int], list[int]]]) -> list[float]:
        import torch

        length = max(len(ids) for ids, _ in rows)
        inputs = {
            "input_ids": [ids + [self._encoder.pad] * (length - len(ids)) for ids, _ in rows],
            "attention_mask": [[1] * len(ids) + [0] * (length - len(ids)) for ids, _ in rows],
        }
        if self._segments > 1:
            inputs["token_type_ids"] = [parts + [0] * (length - len(parts)) for _, parts in rows]
        device = self._model.device
        with torch.inference_mode():
            logits = self._model(
                **{name: torch.tensor(values, device=device) for name, values in inputs.items()}
            ).logits
        self._counts["pairs"] += len(rows)
        self._counts["tokens"] += sum(len(ids) for ids, _ in rows)
        self._counts["padding"] += sum(length - len(ids) for ids, _ in rows)
        same: list[float] = logits.float().softmax(-1)[:, self._config.same_label].tolist()
        return same


def _batches(
    places: Sequence[int], lengths: Sequence[int], largest: int, area: int | None
) -> Iterator[Sequence[int]]:
    """The places, sorted from long to short, in batches of at most so many pairs and so large an area."""
    begin = 0
    while begin < len(places):
        size = largest
        if area is not None:
            size = max(1, min(largest, area // lengths[places[begin]] ** 2))
        yield places[begin : begin + size]
        begin += size
