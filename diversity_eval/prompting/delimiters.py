"""The instruct format that this project's trainer writes and its tasks recognise.

The delimiters are those of the paper's training data; the layout around them is ours. The same
format exists as a chat template (`chat_template.jinja`), which a trained checkpoint carries in its
tokenizer, so that `lm_eval --apply_chat_template` prompts it exactly as it was trained.
"""

from importlib import resources

__all__ = [
    "ANSWER_CLOSE",
    "ANSWER_OPEN",
    "CHAT_TEMPLATE_MARK",
    "DELIMITERS",
    "INPUT_CLOSE",
    "INPUT_OPEN",
    "INSTRUCT_CLOSE",
    "INSTRUCT_OPEN",
    "REASONING_CLOSE",
    "REASONING_DELIMITERS",
    "REASONING_OPEN",
    "RESPONSE_CLOSE",
    "RESPONSE_OPEN",
    "chat_template",
    "is_own_chat_template",
    "render_instruct",
]

INSTRUCT_OPEN = "<|instruct|>"
INSTRUCT_CLOSE = "<|/instruct|>"
INPUT_OPEN = "<|input|>"
INPUT_CLOSE = "<|/input|>"
RESPONSE_OPEN = "<|response|>"
RESPONSE_CLOSE = "<|/response|>"
DELIMITERS = (INSTRUCT_OPEN, INSTRUCT_CLOSE, INPUT_OPEN, INPUT_CLOSE, RESPONSE_OPEN, RESPONSE_CLOSE)

# The reasoning variant puts these inside a response.
REASONING_OPEN = "<|reasoning|>"
REASONING_CLOSE = "<|/reasoning|>"
ANSWER_OPEN = "<|answer|>"
ANSWER_CLOSE = "<|/answer|>"
REASONING_DELIMITERS = (REASONING_OPEN, REASONING_CLOSE, ANSWER_OPEN, ANSWER_CLOSE)

# A comment in the template, so that a checkpoint is recognised even if whitespace was changed around it.
CHAT_TEMPLATE_MARK = "diversity-eval chat template"


def render_instruct(instruction: str, input_text: str | None = None) -> str:
    """The prompt for one instruction, ending where the response begins.

    No beginning-of-sequence token is written: the tokenizer adds its own where it has one.
    """
    parts = [f"{INSTRUCT_OPEN}\n{instruction}\n{INSTRUCT_CLOSE}\n"]
    if input_text:
        parts.append(f"{INPUT_OPEN}\n{input_text}\n{INPUT_CLOSE}\n")
    parts.append(f"{RESPONSE_OPEN}\n")
    return "".join(parts)


def chat_template() -> str:
    """The instruct format as a Jinja chat template for a Hugging Face tokenizer."""
    return resources.files(__package__).joinpath("chat_template.jinja").read_text(encoding="utf-8")


def is_own_chat_template(template: object) -> bool:
    """Whether a tokenizer's `chat_template` is this project's, whatever its version."""
    return isinstance(template, str) and CHAT_TEMPLATE_MARK in template
