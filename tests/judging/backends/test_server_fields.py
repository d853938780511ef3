"""Completions with a chat template of the judge's; the other fields are in test_server.py."""

from pathlib import Path
from typing import Any

import pytest

from diversity_eval.errors import DiversityEvalError
from diversity_eval.judging.backends.server_fields import first_form
from diversity_eval.judging.config import JudgeConfig


def config(**settings: Any) -> JudgeConfig:
    return JudgeConfig(
        "tested", "server", "m", {}, base_url=("http://127.0.0.1:9/v1",), api="completions", **settings
    )


def test_the_template_is_put_around_the_prompt_without_the_token_that_servers_add(
    chat_checkpoint: Path,
) -> None:
    """The template of this checkpoint begins with <s>, and so does what its tokenizer encodes."""
    rate = first_form(config(tokenizer=str(chat_checkpoint))).fields("Is it good?")
    assert rate["prompt"] == "[user] Is it good?\n[assistant] Total rating:"
    generate = first_form(config(tokenizer=str(chat_checkpoint), mode="generate")).fields("Is it good?")
    assert generate["prompt"] == "[user] Is it good?\n[assistant] "


def test_a_tokenizer_without_a_template_leaves_the_bare_text(checkpoint: Path) -> None:
    fields = first_form(config(tokenizer=str(checkpoint))).fields("Is it good?")
    assert fields["prompt"] == "Is it good?\nTotal rating:"


def test_a_tokenizer_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DiversityEvalError, match=r"judge tested: tokenizer .* does not load"):
        first_form(config(tokenizer=str(tmp_path / "nothing")))


@pytest.mark.parametrize("name", ["model", "messages", "prompt", "stream", "n"])
def test_fields_that_are_not_the_user_s(name: str) -> None:
    with pytest.raises(DiversityEvalError, match=f"`request` cannot set {name}"):
        first_form(config(request={name: 1}))
