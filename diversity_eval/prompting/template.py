"""How a task's instruction becomes the text that the model sees, when no chat template is applied."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diversity_eval.errors import DiversityEvalError
from diversity_eval.prompting.delimiters import RESPONSE_CLOSE, render_instruct
from diversity_eval.prompting.sandbox import sandboxed, template_variables

__all__ = ["BUILT_IN_TEMPLATES", "PromptTemplate", "load_prompt_template"]

BUILT_IN_TEMPLATES = ("auto", "plain", "instruct")


@dataclass(frozen=True)
class PromptTemplate:
    """A way to render an instruction. `label` goes into signatures and names the content, not the place."""

    label: str
    stop: tuple[str, ...] = ()
    source: str | None = None

    def render(self, instruction: str, document: Mapping[str, Any]) -> str:
        """The prompt for one document; a template that fails on it names the variable it asked for."""
        if self.source is not None:
            return _render_source(self.source, instruction, document, self.label)
        if self.label == "instruct":
            return render_instruct(instruction)
        return instruction


PLAIN = PromptTemplate("plain")
INSTRUCT = PromptTemplate("instruct", stop=(RESPONSE_CLOSE,))


def load_prompt_template(option: str) -> PromptTemplate:
    """The template that `prompt_template` names: `plain`, `instruct`, or a Jinja file.

    A file sees `instruction` (the task's text for the document) and `doc` (the document's fields).
    Raises DiversityEvalError for a file that is missing, unreadable, not Jinja, or that never uses
    the instruction or the document.
    """
    if option == "plain":
        return PLAIN
    if option == "instruct":
        return INSTRUCT
    path = Path(option).expanduser()
    if not path.is_file():
        raise DiversityEvalError(
            f"prompt_template={option!r} is neither one of {', '.join(BUILT_IN_TEMPLATES)} nor an existing "
            "file; give one of these or the path of a Jinja file"
        )
    try:
        source = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DiversityEvalError(f"prompt template {path}: cannot be read as UTF-8 text: {error}") from None
    _check_source(source, path)
    digest = hashlib.sha256(source.encode()).hexdigest()[:12]
    return PromptTemplate(label=f"file@{digest}", source=source)


def _check_source(source: str, path: Path) -> None:
    names = template_variables(source, path, "prompt template")
    if not names & {"instruction", "doc"}:
        raise DiversityEvalError(
            f"prompt template {path} uses neither {{{{ instruction }}}} nor {{{{ doc }}}}, so every document "
            "would get the same prompt"
        )
    if unknown := sorted(names - {"instruction", "doc"}):
        raise DiversityEvalError(
            f"prompt template {path} uses {', '.join(unknown)}; only `instruction` and `doc` are defined"
        )


def _render_source(source: str, instruction: str, document: Mapping[str, Any], label: str) -> str:
    from jinja2 import TemplateError

    try:
        rendered = (
            sandboxed(keep_trailing_newline=True)
            .from_string(source)
            .render(instruction=instruction, doc=dict(document))
        )
    except (TemplateError, ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise DiversityEvalError(f"prompt template {label} fails on a document: {error}") from None
    return str(rendered)
