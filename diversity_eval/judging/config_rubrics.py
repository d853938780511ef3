"""A judge's rubrics by kind of task, and whether they ask for what is read."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from diversity_eval.errors import DiversityEvalError
from diversity_eval.judging.rubric import Rubric, Shows, load_rubric
from diversity_eval.judging.verdict import REPLY_START

__all__ = ["check_reply_form", "read_rubrics"]

_DEFAULT = {"story": "story", "instruction": "instruction", "harm": "harm"}
_DEFAULT_WITH_WORDS = {"harm": "harm_words"}
_OF_SEVERAL: Mapping[str, Shows] = {"equivalence": "pair", "novelty_groups": "set", "novelty_scores": "set"}
"""Kinds of question about several responses at once; all other kinds rate one."""
_USES = {"response": "`response` alone", "pair": "`response` and `other`", "set": "`responses`"}


def read_rubrics(where: str, value: Any, folder: Path, words: tuple[str, ...]) -> dict[str, Rubric]:
    """The rubrics that a YAML names, by kind of task; `*` is for kinds that are not named.

    Args:
        where: what messages begin with.
        value: of the key `rubric`; None means those that ship.
        folder: where the YAML lies.
        words: what the judge answers with; empty if it writes its rating.

    Raises:
        DiversityEvalError: no name or mapping, a rubric that does not load, or one that looks at something
            else than its kind is about.
    """
    if value is None:
        value = _DEFAULT_WITH_WORDS if words else _DEFAULT
    if isinstance(value, str):
        value = {"*": value}
    if not isinstance(value, dict) or not value or not all(isinstance(v, str) for v in value.values()):
        raise DiversityEvalError(
            f"{where}: `rubric` has to be a rubric's name or file, or one for each kind of task, e.g. "
            "{story: story, instruction: instruction}"
        )
    rubrics = {str(kind): load_rubric(name, folder) for kind, name in value.items()}
    for kind, rubric in rubrics.items():
        # One that looks at something else would be sent the same question for every response.
        if rubric.shows != (wanted := _OF_SEVERAL.get(kind, "response")):
            raise DiversityEvalError(
                f"{where}: rubric {rubric.name} uses {_USES[rubric.shows]}, but what is asked about "
                f"{'responses of any kind' if kind == '*' else kind} has to use {_USES[wanted]}; name another"
            )
    return rubrics


def check_reply_form(where: str, rubrics: Mapping[str, Rubric], words: tuple[str, ...]) -> None:
    """Refuse a rubric that asks for another form of reply than is read: every response would be unscored.

    Raises DiversityEvalError.
    """
    for rubric in rubrics.values():
        if words and REPLY_START in rubric.source:
            raise DiversityEvalError(
                f"{where}: rubric {rubric.name} asks for `{REPLY_START} N`, but the judge's `words` are "
                f"{', '.join(words)}; name a rubric that asks for one of them"
            )
        if rubric.uses_words and not words:
            raise DiversityEvalError(
                f"{where}: rubric {rubric.name} asks for a word, but the judge has no `words`; give it "
                f"some, or name a rubric that asks for `{REPLY_START} N`"
            )
