"""Completions with a tokenizer of the judge's; the other fields are in test_server.py."""

from pathlib import Path
from typing import Any

import pytest

from diversity_eval.errors import DiversityEvalError
from diversity_eval.judging.backends.encoding import PromptEncoder
from diversity_eval.judging.backends.server_fields import first_form
from diversity_eval.judging.config import JudgeConfig
from diversity_eval.judging.config_values import Mode


def config(**settings: Any) -> JudgeConfig:
    return JudgeConfig(
        "tested", "server", "m", {}, base_url=("http://127.0.0.1:9/v1",), api="completions", **settings
    )


@pytest.mark.parametrize("mode", ["rate", "generate"])
@pytest.mark.parametrize("which", ["chat_checkpoint", "checkpoint"])
def test_with_a_tokenizer_the_server_gets_the_token_ids_that_other_backends_see(
    which: str, mode: Mode, request: pytest.FixtureRequest
) -> None:
    """Both tokenizers put <s> in front, and the template of the first writes it too: there is one."""
    from transformers import AutoTokenizer

    checkpoint = request.getfixturevalue(which)
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    settings = config(tokenizer=str(checkpoint), mode=mode)
    ids = first_form(settings).fields("Is it good?")["prompt"]
    assert ids == PromptEncoder(tokenizer, settings).encode(["Is it good?"])[0]
    text = tokenizer.decode(ids)
    assert text.count("<s>") == 1
    assert text.startswith("<s>")
    assert ("[user] " in text) == (which == "chat_checkpoint")
    assert ("Total rating:" in text) == (mode == "rate")


def test_without_one_it_gets_the_bare_text() -> None:
    assert first_form(config()).fields("Is it good?")["prompt"] == "Is it good?\nTotal rating:"
    assert first_form(config(mode="generate")).fields("Is it good?")["prompt"] == "Is it good?\n"


def test_a_tokenizer_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DiversityEvalError, match=r"judge tested: tokenizer .* does not load"):
        first_form(config(tokenizer=str(tmp_path / "nothing")))


@pytest.mark.parametrize("name", ["model", "messages", "prompt", "stream", "n"])
def test_fields_that_are_not_the_user_s(name: str) -> None:
    with pytest.raises(DiversityEvalError, match=f"`request` cannot set {name}"):
        first_form(config(request={name: 1}))
