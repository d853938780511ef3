from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from diversity_eval.errors import DiversityEvalError
from diversity_eval.prompting.delimiters import (
    DELIMITERS,
    REASONING_DELIMITERS,
    chat_template,
    render_instruct,
)
from diversity_eval.training.data import prepare_tokenizer
from diversity_eval.training.settings import TrainSettings
from tests.training.data.tokenizers import KINDS, build, byte_level, metaspace

PLAIN = TrainSettings()


@pytest.mark.parametrize("kind", KINDS)
def test_the_template_goes_in_and_the_vocabulary_stays(kind: str) -> None:
    tokenizer = build(kind)
    before = tokenizer.get_vocab()
    prepared = prepare_tokenizer(tokenizer, PLAIN)
    assert prepared.tokenizer is tokenizer
    assert tokenizer.chat_template == chat_template()
    assert tokenizer.get_vocab() == before
    assert (prepared.new_tokens, prepared.replaced_template, prepared.chosen_pad) == ((), False, None)
    begin = tokenizer.convert_tokens_to_ids("<s>")
    assert prepared.prefix == ((begin,) if "names no first token but" in kind else ())


def test_it_survives_saving_and_a_second_time(tmp_path: Path) -> None:
    tokenizer = byte_level(adds_begin=False)
    tokenizer.chat_template = "{{ messages[0].content }}"
    settings = TrainSettings(special_delimiters=True)
    first = prepare_tokenizer(tokenizer, settings)
    assert first.replaced_template
    assert first.new_tokens == DELIMITERS
    tokenizer.save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path)
    assert again.get_vocab() == tokenizer.get_vocab()
    for each in (tokenizer, again):
        second = prepare_tokenizer(each, settings)
        assert (second.new_tokens, second.replaced_template, second.chosen_pad) == ((), False, None)
        assert second.special_texts == first.special_texts


@pytest.mark.parametrize("reasoning", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_delimiters_as_tokens_of_their_own_are_still_text_when_decoded(kind: str, reasoning: bool) -> None:
    tokenizer = build(kind)
    size = len(tokenizer)
    prepared = prepare_tokenizer(tokenizer, TrainSettings(special_delimiters=True, reasoning=reasoning))
    wanted = DELIMITERS + (REASONING_DELIMITERS if reasoning else ())
    assert prepared.new_tokens == wanted
    assert len(tokenizer) == size + len(wanted)
    ids = tokenizer(render_instruct("boat", "map"), add_special_tokens=False).input_ids
    for text in DELIMITERS[:5]:
        assert ids.count(tokenizer.convert_tokens_to_ids(text)) == 1
    # lm-eval leaves special tokens out of a response, and its stop sequences are texts.
    decoded = tokenizer.decode(ids, skip_special_tokens=True)
    if kind == "metaspace, a space in front everywhere":  # behind each of them, too
        decoded = decoded.replace(" ", "")
    assert decoded == render_instruct("boat", "map")


def without(tokenizer: Any, name: str) -> Any:
    setattr(tokenizer, name, None)
    return tokenizer


def test_a_padding_token_is_found_or_chosen() -> None:
    known = without(byte_level(adds_begin=True), "pad_token")
    assert prepare_tokenizer(known, PLAIN).chosen_pad == known.pad_token == "<pad>"
    tokenizer = without(metaspace(adds_begin=True), "pad_token")
    vocabulary = tokenizer.get_vocab()
    tokenizer.get_vocab = lambda: {text: i for text, i in vocabulary.items() if text != "<pad>"}
    assert prepare_tokenizer(tokenizer, PLAIN).chosen_pad == tokenizer.pad_token == "<unk>"
    bare = without(byte_level(adds_begin=True), "pad_token")
    some = bare.get_vocab()
    bare.get_vocab = lambda: {text: i for text, i in some.items() if text != "<pad>"}
    assert prepare_tokenizer(bare, PLAIN).chosen_pad == bare.pad_token == "</s>"


def test_one_token_for_beginning_and_end_as_in_gpt2() -> None:
    tokenizer = byte_level(adds_begin=False, begin="</s>")
    assert prepare_tokenizer(tokenizer, PLAIN).prefix == ()


def test_without_an_end_a_model_could_not_stop() -> None:
    with pytest.raises(DiversityEvalError, match=r"no end-of-sequence token.*set eos_token"):
        prepare_tokenizer(without(byte_level(adds_begin=True), "eos_token"), PLAIN)


def test_a_tokenizer_that_goes_its_own_way_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer = byte_level(adds_begin=True)
    kind = type(tokenizer)
    with monkeypatch.context() as patch:
        patch.setattr(kind, "apply_chat_template", lambda *args, **kwargs: "[INST] a [/INST]")
        with pytest.raises(DiversityEvalError, match="does not render the chat template"):
            prepare_tokenizer(tokenizer, PLAIN)
    split = byte_level(adds_begin=True)
    split.split_special_tokens = True
    with pytest.raises(DiversityEvalError, match=r"'<s>' does not become its token 0"):
        prepare_tokenizer(split, PLAIN)


def test_tokens_behind_a_prompt_are_refused() -> None:
    from tokenizers import processors

    tokenizer = byte_level(adds_begin=False, begin=None)
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", tokenizer.eos_token_id)]
    )
    with pytest.raises(DiversityEvalError, match="adds tokens behind a prompt"):
        prepare_tokenizer(tokenizer, PLAIN)
    # With a first token in the text nothing is added, so such a tokenizer does no harm.
    named = byte_level(adds_begin=False)
    named.backend_tokenizer.post_processor = tokenizer.backend_tokenizer.post_processor
    assert prepare_tokenizer(named, PLAIN).prefix == ()


def test_texts_of_control_tokens_but_no_letters() -> None:
    tokenizer = byte_level(adds_begin=True)
    tokenizer.pad_token = "!"
    prepared = prepare_tokenizer(tokenizer, PLAIN)
    assert prepared.special_texts == ("</s>", "<pad>", "<s>")
    assert prepared.delimiters == DELIMITERS


def test_delimiters_that_are_control_tokens_already_are_not_forbidden_twice() -> None:
    tokenizer = byte_level(adds_begin=True)
    tokenizer.add_special_tokens(
        {"additional_special_tokens": ["<|answer|>", "<|response|>", "<|im_start|>"]}
    )
    prepared = prepare_tokenizer(tokenizer, TrainSettings(special_delimiters=True, reasoning=True))
    assert prepared.special_texts == ("</s>", "<pad>", "<s>", "<|im_start|>")
    assert not {"<|answer|>", "<|response|>"} & set(prepared.new_tokens)
