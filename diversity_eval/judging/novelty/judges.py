"""The judges that a classifier's configuration names: a rating judge, asked another question."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from diversity_eval.errors import DiversityEvalError
from diversity_eval.judging.config import JudgeConfig, load_judge
from diversity_eval.judging.novelty.config import ClassifierConfig
from diversity_eval.judging.rubric import load_rubric

__all__ = ["EQUIVALENCE", "FORMATS", "GROUPS", "SCORES", "SCORE_RANGE", "pair_judge", "set_judges"]

EQUIVALENCE = "equivalence"
"""The kind of question, and the rubric shipped for it: whether two responses say the same."""
GROUPS = "novelty_groups"
"""Likewise: which of all responses to a prompt say the same."""
SCORES = "novelty_scores"
"""Likewise: what each of them is worth."""

SCORE_RANGE = (1, 10)
_REPLY_TOKENS = 1024


def _schema(key: str, items: Mapping[str, Any]) -> dict[str, Any]:
    schema = {
        "type": "object",
        "properties": {key: {"type": "array", "items": items}},
        "required": [key],
        "additionalProperties": False,
    }
    return {"type": "json_schema", "json_schema": {"name": key, "strict": True, "schema": schema}}


FORMATS: Mapping[str, Mapping[str, Any]] = {
    GROUPS: _schema("groups", {"type": "array", "items": {"type": "integer"}}),
    # Not all servers know `minimum` and `maximum`.
    SCORES: _schema("scores", {"type": "integer", "enum": list(range(SCORE_RANGE[0], SCORE_RANGE[1] + 1))}),
}
"""By kind, the `response_format` that a server is asked for (structured output)."""


def pair_judge(classifier: ClassifierConfig) -> JudgeConfig:
    """The judge that says of two responses 1 (the same) or 0.

    Raises DiversityEvalError: as `load_judge`; a setting that the question fixes.
    """
    return _judge(classifier, [EQUIVALENCE], {"scale": [0, 1]})


def set_judges(classifier: ClassifierConfig) -> tuple[JudgeConfig, JudgeConfig]:
    """The judge that groups all responses to a prompt, and the one that scores them.

    They are equal, and can share one model, unless it is a server's: a request then says which structured
    output is wanted. Replies may take 1,024 tokens, or what the judge's YAML allows if that is more;
    `max_tokens` in `judge_set` wins.

    Raises DiversityEvalError: as `load_judge`; a setting that the question fixes.
    """
    judge = _judge(classifier, [GROUPS, SCORES], {"scale": list(SCORE_RANGE), "mode": "generate"})
    if "max_tokens" not in classifier.judge_set:
        judge = replace(judge, max_tokens=max(judge.max_tokens, _REPLY_TOKENS))
    if judge.backend != "server":
        return judge, judge
    grouping, scoring = (
        replace(judge, request={"response_format": FORMATS[kind], **judge.request})
        for kind in (GROUPS, SCORES)
    )
    return grouping, scoring


def _judge(classifier: ClassifierConfig, kinds: Sequence[str], fixed: Mapping[str, Any]) -> JudgeConfig:
    settings = dict(classifier.judge_set)
    for key, value in fixed.items():
        if key in settings and settings[key] != value:
            raise DiversityEvalError(
                f"{classifier.label}: `judge_set` cannot change `{key}`, which is {value} for "
                f"test: {classifier.test}; leave it out"
            )
    if isinstance(settings.get("rubric"), str):
        if len(kinds) > 1:
            raise DiversityEvalError(
                f"{classifier.label}: test: {classifier.test} asks two questions; write `rubric` in "
                f"`judge_set` as {{{', '.join(f'{kind}: ...' for kind in kinds)}}}"
            )
        settings["rubric"] = {kinds[0]: settings["rubric"]}
    assert classifier.judge is not None  # `load_classifier` has seen to it
    judge = load_judge(classifier.judge, {**settings, **fixed})
    # A rubric for all kinds is one that rates; it says nothing to these questions.
    return replace(judge, rubrics={kind: judge.rubrics.get(kind) or load_rubric(kind) for kind in kinds})
