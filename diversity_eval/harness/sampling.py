"""How K independent responses are drawn from each backend, and what is refused before drawing them."""

import hashlib
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Literal

from diversity_eval.errors import DiversityEvalError
from diversity_eval.harness.messages import logger
from diversity_eval.harness.model import EvaluatedModel
from diversity_eval.harness.options import TaskOptions

__all__ = [
    "SamplingPlan",
    "Seeding",
    "check_generation",
    "derive_seed",
    "normalise_generation",
    "plan_sampling",
]

Seeding = Literal["repeats", "per_sample", "per_request"]

# Names that the backends use for the same thing; lm-eval lets the YAML's own name win over a user's alias.
_NEW_TOKEN_ALIASES = ("max_new_tokens", "max_tokens", "max_completion_tokens")
_OFF: Mapping[str, float] = {"top_p": 1.0, "top_k": 0, "min_p": 0.0, "repetition_penalty": 1.0}
_SEVERAL_OUTPUTS = ("n", "best_of", "num_return_sequences")


@dataclass(frozen=True)
class SamplingPlan:
    """How the K samples of a document are requested.

    `repeats`: one request that lm-eval repeats K times. `per_sample`: K requests, the i-th of every
    document with the same seed, so that a server still gets all documents side by side.
    `per_request`: K requests, each with a seed of its own.
    """

    num_samples: int
    seeding: Seeding
    seed: int

    def request_seed(self, doc_id: int, sample: int) -> int | None:
        """The seed of one request; None where the backend draws from its own stream."""
        if self.seeding == "repeats":
            return None
        if self.seeding == "per_sample":
            return derive_seed(self.seed, sample)
        return derive_seed(self.seed, doc_id, sample)


def derive_seed(*parts: int) -> int:
    """A 31-bit seed from whole numbers.

    Hashed, not added: with seed + index, runs with neighbouring seeds would share all but one sample.
    """
    text = ":".join(str(part) for part in parts).encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:4], "big") >> 1


def plan_sampling(
    options: TaskOptions,
    *,
    repeats: int,
    seed: int,
    model: EvaluatedModel,
    largest_k: int = 0,
    single: bool = False,
    task: str = "",
) -> SamplingPlan:
    """Choose how to draw `repeats` (or the user's `num_samples`) responses from `model`.

    Args:
        options: the user's.
        repeats: K, as the task's YAML says.
        seed: the task's.
        model: that draws.
        largest_k: the largest k of the task's metrics "at k", 0 if it has none.
        single: the task has one right answer to each prompt and is content with one response.
        task: its name, for messages.

    Raises DiversityEvalError where the backend cannot do what was asked.
    """
    chosen = options.sample_seed if options.sample_seed is not None else seed
    if single and repeats == 1:
        if options.num_samples is not None:
            logger.warning("%s: num_samples has no effect: it takes one response to each prompt", task)
        return SamplingPlan(1, "repeats", chosen)
    num_samples = options.num_samples if options.num_samples is not None else repeats
    if num_samples < 2:
        raise DiversityEvalError(
            f"repeats={num_samples}: diversity needs at least 2 responses to each prompt; "
            "set `repeats` in the task's YAML or --metadata num_samples=10"
        )
    if largest_k > num_samples:
        raise DiversityEvalError(
            f"{task}: values at k = {largest_k} need at least {largest_k} responses to each prompt, but "
            f"num_samples is {num_samples}; set --metadata num_samples={largest_k} or more, or "
            f"pass_at={num_samples} or less"
        )
    return SamplingPlan(num_samples, _seeding(options, model), chosen)


def _seeding(options: TaskOptions, model: EvaluatedModel) -> Seeding:
    if options.sample_seeds == "never":
        return "repeats"
    if options.sample_seeds == "always":
        if model.kind == "hf":
            raise DiversityEvalError(
                "sample_seeds=always: --model hf takes no seed per request (transformers' generate refuses "
                "it); drop the option, hf's repeats are independent, and choose its stream with "
                "--metadata sample_seed=N or lm_eval's --seed"
            )
        return "per_sample" if model.is_server else "per_request"
    if model.is_server:
        return "per_sample"
    # Every replica starts from the same engine seed; and one engine's stream starts from a seed that only
    # model_args set, so a seed that the user asks for here has to travel with the requests.
    if model.kind == "vllm" and (model.data_parallel_size > 1 or options.sample_seed is not None):
        return "per_request"
    return "repeats"


def normalise_generation(generation: Mapping[str, Any]) -> dict[str, Any]:
    """One name for each thing, numbers as numbers: what `--gen_kwargs` may have left ambiguous.

    Raises DiversityEvalError for settings that would break the K samples of a document.
    """
    kwargs = deepcopy(dict(generation))
    for alias in _NEW_TOKEN_ALIASES:
        if alias in kwargs:
            kwargs["max_gen_toks"] = kwargs.pop(alias)
    until = kwargs.get("until") or []
    kwargs["until"] = [until] if isinstance(until, str) else list(until)
    for name, off in _OFF.items():
        if name in kwargs and str(kwargs[name]) == "None":  # transformers' way to say "off"
            kwargs[name] = off
    for name in (*_OFF, "temperature", "max_gen_toks"):
        if name in kwargs:
            kwargs[name] = _number(name, kwargs[name])
    if kwargs.get("top_k") == -1:  # vLLM's way to say "off"; transformers knows only 0
        kwargs["top_k"] = 0
    if "seed" in kwargs:
        raise DiversityEvalError(
            "--gen_kwargs seed=...: one seed for every request would make all responses to a prompt the "
            "same; use --metadata sample_seed=N"
        )
    for name in _SEVERAL_OUTPUTS:
        if name in kwargs:
            raise DiversityEvalError(
                f"--gen_kwargs {name}=...: lm-eval keeps one output a request; use --metadata num_samples=K"
            )
    return kwargs


def _number(name: str, value: Any) -> float | int:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise DiversityEvalError(f"--gen_kwargs {name}={value!r}: expected a number") from None
    if name not in ("top_k", "max_gen_toks"):
        return number
    if number != int(number):
        raise DiversityEvalError(f"--gen_kwargs {name}={value!r}: expected a whole number")
    return int(number)


def check_generation(kwargs: Mapping[str, Any], plan: SamplingPlan) -> None:
    """Refuse settings under which K samples make no sense.

    Raises DiversityEvalError for greedy decoding with K > 1 and for values outside their range.
    """
    temperature = float(kwargs.get("temperature", 0.0))
    if plan.num_samples > 1 and (temperature == 0.0 or _is_false(kwargs.get("do_sample", True))):
        raise DiversityEvalError(
            f"greedy decoding (temperature={temperature:g}, do_sample={kwargs.get('do_sample', True)}) would "
            f"give the same response {plan.num_samples} times; set --gen_kwargs "
            "temperature=1.0,do_sample=True"
        )
    if temperature < 0:
        raise DiversityEvalError(f"temperature={temperature:g}: expected a number above 0")
    top_p = float(kwargs.get("top_p", 1.0))
    if not 0 < top_p <= 1:
        raise DiversityEvalError(f"top_p={top_p:g}: expected a number above 0 and at most 1")
    if int(kwargs.get("top_k", 0)) < 0:
        raise DiversityEvalError(f"top_k={kwargs['top_k']}: expected 0 (off) or a positive whole number")
    if int(kwargs.get("max_gen_toks", 1)) < 1:
        raise DiversityEvalError(f"max_gen_toks={kwargs['max_gen_toks']}: expected at least 1 new token")


def _is_false(value: Any) -> bool:
    return str(value).strip().lower() in ("false", "0", "no")
