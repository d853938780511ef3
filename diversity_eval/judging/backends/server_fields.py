"""The fields of a rating request, for the chat API and for the older completions."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from diversity_eval.errors import DiversityEvalError
from diversity_eval.judging.backends.encoding import PromptEncoder
from diversity_eval.judging.config import JudgeConfig

__all__ = ["RequestForm", "first_form", "load_tokenizer"]

# In `rate` mode the rating is looked for here; tokenizers put up to three tokens of white space before it.
_TOKENS_AFTER_START = 4
_LIKELIEST_TOKENS = 20
_OURS = ("model", "messages", "prompt", "stream", "n")


@dataclass(frozen=True, slots=True)
class RequestForm:
    """How this server is asked.

    Attributes:
        prefilled: the request contains the reply's fixed beginning, so that its first token is the number
            (`rate` mode).
        length_field: what the server calls the longest reply.
        encode: gives the token ids of a prompt, up to where the rating comes (completions with a
            tokenizer): first token, chat template and control tokens are then those of the other backends,
            whatever the server would add.
    """

    config: JudgeConfig
    prefilled: bool
    length_field: str = "max_tokens"
    encode: Callable[[str], list[int]] | None = None

    @property
    def rating_first(self) -> bool:
        """Whether the reply's first token is the rating: nothing fixed is before it, or that was given."""
        return self.config.mode == "rate" and (self.prefilled or not self.config.reply.start)

    def fields(self, prompt: str) -> dict[str, Any]:
        """The body of the request for a prompt, the judge's own `request` fields last."""
        config = self.config
        rate = config.mode == "rate"
        reply = config.reply
        fields: dict[str, Any] = {"model": config.model}
        if config.api == "completions":
            if self.encode is not None:
                fields["prompt"] = self.encode(prompt)
            else:
                fields["prompt"] = f"{prompt}{reply.lead}{reply.start if rate else ''}"
            if rate:
                fields["logprobs"] = _LIKELIEST_TOKENS
        else:
            fields["messages"] = [{"role": "user", "content": prompt}]
            if rate:
                fields |= {"logprobs": True, "top_logprobs": _LIKELIEST_TOKENS}
            if self.prefilled:
                fields["messages"].append({"role": "assistant", "content": reply.start})
                fields |= {"continue_final_message": True, "add_generation_prompt": False}
        fields["temperature"] = 0
        fields[self.length_field] = _TOKENS_AFTER_START if self.rating_first else config.max_tokens
        fields |= config.request
        return {name: value for name, value in fields.items() if value is not None}


def first_form(config: JudgeConfig) -> RequestForm:
    """The form that is tried first.

    Raises DiversityEvalError if the configuration does not fit a server, or the tokenizer does not load.
    """
    if config.mode == "rate" and not config.words and config.highest > 9:
        raise DiversityEvalError(
            f"judge {config.name}: in mode rate a server can only be asked for single digits, and the scale "
            f"goes to {config.highest}: use mode: generate, or a scale up to 9"
        )
    if ours := sorted(set(_OURS) & set(config.request)):
        raise DiversityEvalError(
            f"judge {config.name}: `request` cannot set {', '.join(ours)}; name the model under `model`, and "
            "leave out the others"
        )
    encode = _encoder(config) if config.api == "completions" and config.tokenizer else None
    return RequestForm(config, prefilled=config.mode == "rate" and bool(config.reply.start), encode=encode)


def _encoder(config: JudgeConfig) -> Callable[[str], list[int]]:
    """From a prompt to the token ids that the judge sees, as the backends in this process make them."""
    assert config.tokenizer is not None
    tokenizer = load_tokenizer(
        config.label,
        config.tokenizer,
        what="`tokenizer` with api: completions",
        instead="use api: chat, where the server has the template",
    )
    encoder = PromptEncoder(tokenizer, config)
    return lambda prompt: encoder.encode([prompt])[0]


def load_tokenizer(label: str, name: str, *, what: str, instead: str) -> Any:
    """The tokenizer of a model that a server runs, to send it token ids.

    Args:
        label: what messages call the judge or model.
        name: Hub id or folder.
        what: what needs it, should transformers be missing.
        instead: what to do without.

    Raises:
        DiversityEvalError: transformers is missing, or the tokenizer does not load.
    """
    try:
        from transformers import AutoTokenizer
    except ImportError:
        raise DiversityEvalError(
            f"{label}: {what} needs transformers: pip install 'diversity-eval[hf]', or {instead}"
        ) from None
    try:
        return AutoTokenizer.from_pretrained(name, trust_remote_code=False)
    except (OSError, ValueError, ImportError) as error:
        raise DiversityEvalError(
            f"{label}: tokenizer {name!r} does not load: {' '.join(str(error).split())[:200]}"
        ) from None
