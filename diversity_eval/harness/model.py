"""What the tasks have to know about the model that lm-eval is evaluating."""

import inspect
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from lm_eval.api.model import LM, CachingLM

from diversity_eval.errors import DiversityEvalError
from diversity_eval.harness.messages import logger

__all__ = [
    "EvaluatedModel",
    "ModelKind",
    "find_local",
    "find_model",
    "seed_stream",
    "use_own_limits",
    "use_side_by_side_requests",
]

ModelKind = Literal["hf", "vllm", "completions", "chat", "other"]


def _is_instance(lm: object, module: str, name: str) -> bool:
    # A model of a class can only exist if the class's module is loaded, so nothing heavy is imported here.
    loaded = sys.modules.get(module)
    return loaded is not None and isinstance(lm, getattr(loaded, name, ()))


@dataclass(frozen=True)
class EvaluatedModel:
    """A view of an lm-eval model: which backend it is and how it treats a prompt."""

    lm: Any

    @property
    def kind(self) -> ModelKind:
        """`completions` and `chat` are servers spoken to over HTTP; `other` is a class we do not know."""
        if _is_instance(self.lm, "lm_eval.models.huggingface", "HFLM"):
            return "hf"
        if _is_instance(self.lm, "lm_eval.models.vllm_causallms", "VLLM"):
            return "vllm"
        # These share lm-eval's class for servers, but take no seed in a request's fields.
        if self.refuses_extras or _is_instance(
            self.lm, "lm_eval.models.sglang_generate_API", "SGLANGGENERATEAPI"
        ):
            return "other"
        if _is_instance(self.lm, "lm_eval.models.openai_completions", "LocalChatCompletion"):
            return "chat"
        if _is_instance(self.lm, "lm_eval.models.api_models", "TemplateAPI"):
            return "completions"
        return "other"

    @property
    def is_server(self) -> bool:
        """Whether requests leave the process."""
        return self.kind in ("completions", "chat")

    @property
    def refuses_extras(self) -> bool:
        """Whether the API is known to define none of the fields that OpenAI's leaves out either."""
        return _is_instance(self.lm, "lm_eval.models.anthropic_llms", "AnthropicChat")

    @property
    def name(self) -> str:
        """The class's name, for messages."""
        return type(self.lm).__name__

    @property
    def data_parallel_size(self) -> int:
        """Replicas of an in-process vLLM engine; 1 for everything else."""
        return int(getattr(self.lm, "data_parallel_size", 1)) if self.kind == "vllm" else 1

    @property
    def max_length(self) -> int | None:
        """The context in tokens that lm-eval holds prompt and new tokens to, if it knows one."""
        length = getattr(self.lm, "max_length", None)
        return int(length) if isinstance(length, int) and length > 0 else None

    @property
    def tokenizer(self) -> Any | None:
        """The Hugging Face tokenizer that lm-eval uses for this model, if it has one."""
        tokenizer = getattr(self.lm, "tokenizer", None)
        return tokenizer if hasattr(tokenizer, "bos_token_id") and callable(tokenizer) else None

    @property
    def chat_template(self) -> str | None:
        """The checkpoint's own chat template, as text; of several named ones the default, else all."""
        template = getattr(self.tokenizer, "chat_template", None)
        if isinstance(template, dict):
            template = template.get("default") or json.dumps(template, sort_keys=True)
        return template if isinstance(template, str) and template.strip() else None

    @property
    def end_text(self) -> str | None:
        """The tokenizer's end-of-sequence text."""
        end = getattr(self.tokenizer, "eos_token", None)
        return end if isinstance(end, str) and end else None

    @property
    def sends_token_ids(self) -> bool:
        """Whether lm-eval tokenises prompts itself (for a server: whether it sends the ids)."""
        if self.is_server:
            return self.kind == "completions" and bool(getattr(self.lm, "tokenized_requests", False))
        return True

    def token_ids(self, prompt: str) -> list[int] | None:
        """The ids that the model sees for `prompt`, by lm-eval's own path for generation; None if unknown."""
        if self.kind == "hf":
            ids, _ = self.lm.tok_batch_encode([prompt])
            return [int(i) for i in ids[0]]
        encode: Callable[..., Any] | None = getattr(self.lm, "tok_encode", None)
        if encode is None or not self.sends_token_ids:
            return None
        if self.kind == "completions":
            encoded = encode((prompt,), add_special_tokens=self.lm.add_bos_token)[0]
        else:
            encoded = encode(prompt)
        return [int(i) for i in encoded]

    def reference_token_ids(self, prompt: str, add_bos: bool | None) -> list[int] | None:
        """The ids that hf and vllm would see under `add_bos_token=add_bos`; None without a tokenizer.

        With None it is left to the tokenizer. A prompt that already begins with the
        beginning-of-sequence text, as one from a chat template may, gets no second one.
        """
        tokenizer = self.tokenizer
        if tokenizer is None:
            return None
        begin = getattr(tokenizer, "bos_token", None)
        special = add_bos is not False and not (begin and prompt.startswith(begin))
        ids = [int(i) for i in tokenizer(prompt, add_special_tokens=special).input_ids]
        begin_id = tokenizer.bos_token_id
        if add_bos and begin_id is not None and ids[:1] != [begin_id]:
            ids.insert(0, begin_id)
        return ids


def find_model() -> EvaluatedModel:
    """The model of the `lm_eval` evaluation that is running now.

    lm-eval hands a task no model, only parts of one (and those only with a chat template). It calls
    the task from `evaluate`, whose local `lm` is looked up on the call stack: that reads one name and
    changes nothing, where a patch of lm-eval's functions would change it for everybody
    (docs/design/harness.md). Library users can skip it with `MultiSampleTask.attach_model(lm)`.
    """
    candidate = find_local("lm", (CachingLM, LM))
    if isinstance(candidate, CachingLM):
        candidate = candidate.lm
    if isinstance(candidate, LM):
        return EvaluatedModel(candidate)
    raise DiversityEvalError(
        "no lm-eval model found: run the task through lm_eval (or lm_eval.evaluator.evaluate), "
        "or call task.attach_model(lm) before task.build_all_requests()"
    )


def find_local(name: str, kinds: tuple[type, ...] = (object,)) -> Any:
    """The nearest local variable `name` of one of `kinds` on the call stack that is not None; else None."""
    frame = inspect.currentframe()
    try:
        while frame is not None and (frame := frame.f_back) is not None:
            candidate = frame.f_locals.get(name)
            if candidate is not None and isinstance(candidate, kinds):
                return candidate
    finally:
        del frame  # a frame kept in a local is a reference cycle that would hold the model in memory
    return None


def use_side_by_side_requests(model: EvaluatedModel, *, task: str) -> None:
    """See to it that K samples of many documents are not generated one after the other.

    lm-eval's default batch size is 1. In-process vLLM schedules by itself and only loses by it, so it
    gets all requests at once; for hf and servers the right number depends on the machine, so it is
    left to the user, with a hint.
    """
    lm = model.lm
    if model.kind == "vllm" and lm.batch_size == 1:
        lm.batch_size = "auto"
        logger.info(
            "%s: vLLM gets all requests at once (batch size auto instead of lm-eval's default 1)", task
        )
    elif model.kind == "hf" and lm.batch_size == 1:
        logger.warning("%s: one response is generated at a time; --batch_size 16 or more is faster", task)
    elif model.is_server and getattr(lm, "_concurrent", 2) <= 1:
        logger.warning(
            "%s: one request is sent at a time; --model_args ...,num_concurrent=16 is faster", task
        )


def use_own_limits(model: EvaluatedModel, *, task: str) -> None:
    """Keep transformers from putting the checkpoint's number of new tokens over the task's.

    lm-eval passes `max_length` only, and `generate` prefers a `max_new_tokens` of the checkpoint's
    generation_config to that.
    """
    own = getattr(getattr(model.lm, "model", None), "generation_config", None) if model.kind == "hf" else None
    if own is not None and getattr(own, "max_new_tokens", None) is not None:
        logger.warning(
            "%s: the checkpoint's generation_config asks for %d new tokens; the task's own number is used",
            task, own.max_new_tokens,
        )  # fmt: skip
        own.max_new_tokens = None


def seed_stream(model: EvaluatedModel, seed: int, *, task: str) -> None:
    """Give hf's random stream the user's seed: transformers draws from torch's global generator."""
    if model.kind == "hf":
        import torch

        torch.manual_seed(seed)
        logger.info("%s: torch seeded from sample_seed", task)
