"""A judge run by vLLM, in this process."""

import inspect
import math
from collections.abc import Callable, Sequence
from typing import Any

from diversity_eval.errors import DiversityEvalError
from diversity_eval.judging.backends.encoding import PromptEncoder
from diversity_eval.judging.backends.loading import check_quantization, check_room
from diversity_eval.judging.config import JudgeConfig
from diversity_eval.judging.verdict import Verdict

__all__ = ["VllmBackend"]

_TOP = 20  # the most log-probabilities that vLLM gives without being told otherwise


class VllmBackend:
    """vLLM schedules by itself and keeps the shared beginning of the prompts (prefix caching).

    Its kernels may round differently from batch to batch: two equally likely ratings can change places.
    """

    def __init__(self, config: JudgeConfig) -> None:
        """Start the engine.

        Raises DiversityEvalError: no vLLM, or its engine does not start (memory, model, arguments).
        """
        try:
            import torch
            from vllm import LLM
        except ImportError as error:
            raise DiversityEvalError(
                f"judge {config.name} needs vLLM ({error}): pip install 'diversity-eval[vllm]'"
            ) from None
        if not torch.cuda.is_available():  # on a card the engine itself says if it does not fit
            check_room(config, "cpu")
        self._config = config
        self._reply = config.reply
        arguments: dict[str, Any] = {
            "model": config.model,
            "tokenizer": config.tokenizer or config.model,
            "revision": config.revision,
            "tokenizer_revision": config.revision if config.tokenizer is None else None,
            "dtype": config.dtype,
            "trust_remote_code": False,
            "enable_prefix_caching": True,
            "seed": 0,
            **config.engine,
        }
        if config.max_length is not None:
            arguments["max_model_len"] = config.max_length
        if config.quantization == "nf4":
            arguments["quantization"] = "bitsandbytes"
        try:
            self._llm: Any = LLM(**arguments)
        except Exception as error:  # the engine starts in another process and fails with whatever that raised
            raise DiversityEvalError(
                f"judge {config.name}: vLLM does not start with {config.model}: "
                f"{' '.join(str(error).split())[:400]}; what it printed above says more"
            ) from None
        check_quantization(config, self._llm.llm_engine.model_config.quantization is not None)
        self._encoder = PromptEncoder(self._llm.get_tokenizer(), config)
        self._most = int(self._llm.llm_engine.model_config.max_model_len)
        self._sampling = self._sampling_parameters()
        self._ratings = 0
        self._prompt_tokens = 0
        self._cached_tokens = 0

    def judge(self, prompts: Sequence[str], on_verdict: Callable[[int, Verdict], None]) -> None:
        """Judge every prompt; see `Backend.judge`. Verdicts arrive by portions of `concurrency` prompts."""
        encoded = self._encoder.encode_fitting(prompts, self._most, on_verdict)
        fitting = list(encoded)
        # One alone first: prompts that start together do not find each other's beginning in the cache.
        size = self._config.concurrency
        for part in (fitting[:1], *(fitting[at : at + size] for at in range(1, len(fitting), size))):
            outputs = self._llm.generate(
                [{"prompt_token_ids": encoded[index]} for index in part], self._sampling, use_tqdm=False
            )
            for index, output in zip(part, outputs, strict=True):
                self._ratings += 1
                self._prompt_tokens += len(encoded[index])
                self._cached_tokens += output.num_cached_tokens or 0
                on_verdict(index, self._verdict(output.outputs[0]))

    def signature_fields(self) -> dict[str, str]:
        """Nothing beyond the configuration."""
        return {}

    def record(self) -> dict[str, Any]:
        """Versions, and how much of the prompts came from the prefix cache."""
        import vllm

        model = self._llm.llm_engine.model_config
        return {
            "dtype": str(model.dtype),
            "engine_quantization": model.quantization,
            "max_model_len": self._most,
            "chat_template": self._encoder.has_chat_template,
            "ratings": self._ratings,
            "prompt_tokens": self._prompt_tokens,
            "prompt_tokens_from_cache": self._cached_tokens,
            "packages": {"vllm": vllm.__version__},
        }

    def close(self) -> None:
        """Stop the engine."""
        import gc

        del self._llm
        gc.collect()

    def _sampling_parameters(self) -> Any:
        from vllm import SamplingParams

        if self._config.mode == "generate":
            return SamplingParams(temperature=0.0, max_tokens=self._config.max_tokens)
        # Later versions give the probabilities of named tokens; earlier ones those of the likeliest only.
        if "logprob_token_ids" in inspect.signature(SamplingParams).parameters:
            named = [token for tokens in self._encoder.label_ids for token in tokens]
            return SamplingParams(temperature=0.0, max_tokens=1, logprob_token_ids=named)
        return SamplingParams(temperature=0.0, max_tokens=1, logprobs=_TOP)

    def _verdict(self, output: Any) -> Verdict:
        if self._config.mode == "generate":
            return self._reply.verdict(output.text, cut=output.finish_reason != "stop")
        given = output.logprobs[0] if output.logprobs else {}
        # A token that is not among the likeliest counts as 0: the mass is then a lower bound.
        probabilities = [
            math.fsum(math.exp(given[token].logprob) for token in tokens if token in given)
            for tokens in self._encoder.label_ids
        ]
        return self._reply.distribution_verdict(probabilities, self._reply.begun(output.text))
