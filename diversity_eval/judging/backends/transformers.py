"""A judge run by transformers, in this process: any dtype, or NF4 through bitsandbytes; CPU or CUDA."""

from collections.abc import Callable, Sequence
from typing import Any

from diversity_eval.errors import DiversityEvalError
from diversity_eval.judging.backends.encoding import PromptEncoder
from diversity_eval.judging.backends.loading import load_model
from diversity_eval.judging.backends.prefix import Beginning, SharedPrefix, Step
from diversity_eval.judging.backends.running import longest_input, release_memory, running_record
from diversity_eval.judging.config import JudgeConfig
from diversity_eval.judging.verdict import Verdict, failed_verdict

__all__ = ["TransformersBackend"]


class TransformersBackend:
    """Batches sorted by length, padded on the left; the shared beginning of the prompts is computed once."""

    def __init__(self, config: JudgeConfig) -> None:
        """Load the model.

        Raises DiversityEvalError: the extra is missing, the model does not load or does not fit into memory.
        """
        self._config = config
        self._reply = config.reply
        self._model, tokenizer = load_model(config)
        self._encoder = PromptEncoder(tokenizer, config)
        self._tokenizer = tokenizer
        self._prefix = SharedPrefix(self._model)
        self._most = _longest(self._model, tokenizer, config)
        self._ends = _end_ids(self._model, tokenizer)
        self._ratings = 0
        self._tokens = 0

    def judge(self, prompts: Sequence[str], on_verdict: Callable[[int, Verdict], None]) -> None:
        """Judge every prompt; see `Backend.judge`."""
        import torch

        encoded = self._encoder.encode_fitting(prompts, self._most, on_verdict)
        places, rows = list(encoded), list(encoded.values())
        for batch, beginnings in self._prefix.batches(rows, self._config.concurrency):
            with torch.inference_mode():
                verdicts = self._judge_batch([rows[place] for place in batch], beginnings)
            self._ratings += len(batch)
            for place, verdict in zip(batch, verdicts, strict=True):
                on_verdict(places[place], verdict)

    def signature_fields(self) -> dict[str, str]:
        """Nothing beyond the configuration."""
        return {}

    def record(self) -> dict[str, Any]:
        """Device, dtype, commit, versions, and the tokens computed so far."""
        return {
            **running_record(self._model),
            "chat_template": self._encoder.has_chat_template,
            "shared_beginning": self._prefix.state,
            "ratings": self._ratings,
            "tokens_computed": self._tokens + self._prefix.tokens_computed,
        }

    def close(self) -> None:
        """Give the model's memory back."""
        del self._model, self._prefix
        release_memory()

    def _judge_batch(self, rows: list[list[int]], beginnings: list[Beginning]) -> list[Verdict]:
        """A batch; where memory does not hold it, its halves."""
        import torch

        try:
            step = self._prefix.first_step(rows, beginnings)
            self._tokens += step.tokens
            return self._rate(step) if self._config.mode == "rate" else self._generate(step)
        except torch.OutOfMemoryError:
            if len(rows) == 1:
                return [failed_verdict("the device has too little memory for this prompt")]
        torch.cuda.empty_cache()
        half = len(rows) // 2
        return [
            *self._judge_batch(rows[:half], beginnings[:half]),
            *self._judge_batch(rows[half:], beginnings[half:]),
        ]

    def _rate(self, step: Step) -> list[Verdict]:
        """One forward pass is all: what the judge would write next."""
        import torch

        probabilities = step.logits.float().softmax(-1)
        on_scale = torch.stack(
            [probabilities[:, list(tokens)].double().sum(-1) for tokens in self._encoder.label_ids], -1
        )
        likeliest = probabilities.argmax(-1).tolist()
        return [
            self._reply.distribution_verdict(row, self._reply.begun(self._tokenizer.decode([token])))
            for row, token in zip(on_scale.cpu().tolist(), likeliest, strict=True)
        ]

    def _generate(self, step: Step) -> list[Verdict]:
        """Greedy decoding, every row until its end token or `max_tokens`."""
        import torch

        new_tokens = self._config.max_tokens
        replies: list[list[int]] = [[] for _ in step.mask]
        going = [True] * len(replies)
        for count in range(1, new_tokens + 1):
            chosen = step.logits.argmax(-1).tolist()
            for row, token in enumerate(chosen):
                going[row] = going[row] and token not in self._ends
                if going[row]:
                    replies[row].append(token)
            if count == new_tokens or not any(going):
                break
            step = self._prefix.next_step(step, torch.tensor(chosen, device=self._model.device))
            self._tokens += step.tokens
        texts = self._tokenizer.batch_decode(replies, skip_special_tokens=True)
        return [self._reply.verdict(text, cut=cut) for text, cut in zip(texts, going, strict=True)]


def _longest(model: Any, tokenizer: Any, config: JudgeConfig) -> int:
    """Prompt and reply together, in tokens."""
    longest = longest_input(model, tokenizer, config.max_length)
    if longest is None:
        raise DiversityEvalError(
            f"judge {config.name}: the model does not say how long a prompt may be; set `max_length` in its "
            "YAML"
        )
    return longest


def _end_ids(model: Any, tokenizer: Any) -> frozenset[int]:
    own = getattr(model.generation_config, "eos_token_id", None)
    ids = own if isinstance(own, list) else [own]
    return frozenset(int(i) for i in (*ids, tokenizer.eos_token_id) if i is not None)
