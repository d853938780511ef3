"""The fields of a rating request, for the chat API and for the older completions."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from diversity_eval.errors import DiversityEvalError
from diversity_eval.judging.config import JudgeConfig
from diversity_eval.judging.verdict import REPLY_START

__all__ = ["RequestForm", "first_form"]

# In `rate` mode the number is looked for here; tokenizers put up to three tokens of white space before it.
_TOKENS_AFTER_START = 4
_LIKELIEST_TOKENS = 20
_OURS = ("model", "messages", "prompt", "stream", "n")


@dataclass(frozen=True, slots=True)
class RequestForm:
    """How this server is asked.

    Attributes:
        prefilled: the request contains the reply's beginning, so that its first token is the number
            (`rate` mode).
        length_field: what the server calls the longest reply.
        render: puts the judge's chat template around a prompt (completions with a tokenizer).
    """

    config: JudgeConfig
    prefilled: bool
    length_field: str = "max_tokens"
    render: Callable[[str], str] | None = None

    def fields(self, prompt: str) -> dict[str, Any]:
        """The body of the request for a prompt, the judge's own `request` fields last."""
        config = self.config
        rate = config.mode == "rate"
        fields: dict[str, Any] = {"model": config.model}
        if config.api == "completions":
            text = self.render(prompt) if self.render else f"{prompt}\n"
            fields["prompt"] = f"{text}{REPLY_START}" if rate else text
            if rate:
                fields["logprobs"] = _LIKELIEST_TOKENS
        else:
            fields["messages"] = [{"role": "user", "content": prompt}]
            if rate:
                fields |= {"logprobs": True, "top_logprobs": _LIKELIEST_TOKENS}
            if self.prefilled:
                fields["messages"].append({"role": "assistant", "content": REPLY_START})
                fields |= {"continue_final_message": True, "add_generation_prompt": False}
        fields["temperature"] = 0
        fields[self.length_field] = _TOKENS_AFTER_START if self.prefilled else config.max_tokens
        fields |= config.request
        return {name: value for name, value in fields.items() if value is not None}


def first_form(config: JudgeConfig) -> RequestForm:
    """The form that is tried first.

    Raises DiversityEvalError if the configuration does not fit a server, or the tokenizer does not load.
    """
    if config.mode == "rate" and config.highest > 9:
        raise DiversityEvalError(
            f"judge {config.name}: in mode rate a server can only be asked for single digits, and the scale "
            f"goes to {config.highest}: use mode: generate, or a scale up to 9"
        )
    if ours := sorted(set(_OURS) & set(config.request)):
        raise DiversityEvalError(
            f"judge {config.name}: `request` cannot set {', '.join(ours)}; name the model under `model`, and "
            "leave out the others"
        )
    render = _chat_template(config) if config.api == "completions" and config.tokenizer else None
    return RequestForm(config, prefilled=config.mode == "rate", render=render)


def _chat_template(config: JudgeConfig) -> Callable[[str], str] | None:
    """What puts the tokenizer's chat template around a prompt; None if it has no template."""
    try:
        from transformers import AutoTokenizer
    except ImportError:
        raise DiversityEvalError(
            f"judge {config.name}: `tokenizer` with api: completions needs transformers: "
            "pip install 'diversity-eval[hf]', or use api: chat, where the server has the template"
        ) from None
    try:
        tokenizer = AutoTokenizer.from_pretrained(config.tokenizer, trust_remote_code=False)
    except (OSError, ValueError, ImportError) as error:
        raise DiversityEvalError(
            f"judge {config.name}: tokenizer {config.tokenizer!r} does not load: "
            f"{' '.join(str(error).split())[:200]}"
        ) from None
    if not tokenizer.chat_template:
        return None
    # Servers put this token in front of a completion's prompt themselves.
    bos = tokenizer.bos_token if tokenizer("").input_ids[:1] == [tokenizer.bos_token_id] else None

    def render(prompt: str) -> str:
        text = tokenizer.apply_chat_template(
            [{"role": "user", "content": prompt}], tokenize=False, add_generation_prompt=True
        )
        return str(text).removeprefix(bos or "")

    try:
        render("Hello")
    except Exception as error:  # a template is somebody's program and can raise anything
        raise DiversityEvalError(
            f"judge {config.name}: the chat template of tokenizer {config.tokenizer!r} fails on a user "
            f"message: {' '.join(str(error).split())[:200]}"
        ) from None
    return render
