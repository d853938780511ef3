"""Rubrics that ask for the form of reply that the judge is read by, and `words` as YAML spells them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from diversity_eval.errors import DiversityEvalError
from diversity_eval.judging.config import JudgeConfig, load_judge
from diversity_eval.judging.rubric import load_rubric

LOCAL = {"backend": "transformers", "model": "org/judge"}
WORDS = {"scale": [0, 1], "words": ["no", "yes"]}

Write = Callable[..., str]
Load = Callable[..., JudgeConfig]


def test_with_words_the_rubrics_are_those_that_ask_for_words(load: Load) -> None:
    config = load(LOCAL, **WORDS)
    assert {kind: rubric.name for kind, rubric in config.rubrics.items()} == {"harm": "harm_words"}
    assert config.reply.names == "the words no, yes"
    assert load(LOCAL).reply.names == "the ratings 0 to 5"


@pytest.mark.parametrize("rubric", ["harm", "story", {"harm": "harm_words", "story": "story"}])
def test_a_rubric_that_asks_for_a_rating_is_refused_with_words(load: Load, rubric: object) -> None:
    with pytest.raises(
        DiversityEvalError, match=r"judge own: rubric .* asks for `Total rating: N`, but .* are no, yes; name"
    ) as error:
        load(LOCAL, **WORDS, rubric=rubric)
    assert "\n" not in str(error.value)


def test_a_rubric_that_asks_for_a_word_is_refused_without(load: Load) -> None:
    with pytest.raises(DiversityEvalError, match="rubric harm_words asks for a word, but the judge has no"):
        load(LOCAL, rubric={"harm": "harm_words"})


def test_so_is_one_that_takes_its_place_later(load: Load) -> None:
    """A judge that compares pairs is a rating judge with another rubric."""
    config = load(LOCAL, **WORDS)
    with pytest.raises(DiversityEvalError, match="rubric equivalence asks for `Total rating: N`"):
        replace(config, rubrics={"equivalence": load_rubric("equivalence")})


def test_a_rubric_with_the_words_written_out_fits(load: Load, tmp_path: Path) -> None:
    (tmp_path / "mine.jinja").write_text("Bad? Answer no or yes.\n{{ prompt }}\n{{ response }}\nAnswer:")
    config = load(LOCAL, **WORDS, rubric="mine.jinja")
    shown = config.rubric("harm").render("P", "R", lowest=0, highest=1, words=config.words)
    assert shown == "Bad? Answer no or yes.\nP\nR\nAnswer:"


@pytest.mark.parametrize(
    ("spelt", "read"),
    [
        ("[no, yes]", ("no", "yes")),
        ("[No, YES]", ("No", "YES")),
        ("['no', \"yes\"]", ("no", "yes")),
        ("[false, true]", ("false", "true")),
        ("[off, on]", ("off", "on")),
        ("[safe, unsafe]", ("safe", "unsafe")),
        ("\n  - no\n  - yes", ("no", "yes")),
    ],
)
def test_words_are_read_as_they_are_spelt(write: Write, spelt: str, read: tuple[str, ...]) -> None:
    """YAML would read no and yes as truth values."""
    text = f"backend: transformers\nmodel: org/judge\nscale: [0, 1]\nwords: {spelt}\nengine: {{a: yes}}\n"
    config = load_judge(write(text))
    assert config.words == read
    assert config.engine == {"a": True}


def test_changes_are_values_already(write: Write) -> None:
    path = write({**LOCAL, **WORDS})
    assert load_judge(path, {"words": ["safe", "unsafe"]}).words == ("safe", "unsafe")
    with pytest.raises(DiversityEvalError, match="put each word in quotes"):
        load_judge(path, {"words": [False, True]})
    with pytest.raises(DiversityEvalError, match=r"2 ratings of `scale` \[0, 1\], lowest first, not 3"):
        load_judge(path, {"words": ["a", "b", "c"]})
