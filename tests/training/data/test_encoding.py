from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diversity_eval.training.data import prepare_tokenizer
from diversity_eval.training.data.conversation import Conversation, Message, UnusableRowError
from diversity_eval.training.data.encoding import IGNORED, Encoder, Encoding
from diversity_eval.training.settings import Overlong, TrainSettings
from tests.training.data.tokenizers import KINDS, build, byte_level, metaspace

END = "\n<|/response|></s>"
TOKENIZERS: dict[str, Any] = {kind: build(kind) for kind in KINDS}


def encoder(
    tokenizer: Any, max_length: int = 10_000, overlong: Overlong = "truncate", **kwargs: Any
) -> Encoder:
    return Encoder(prepare_tokenizer(tokenizer, TrainSettings(**kwargs)), max_length, overlong)


def asked(prompt: str, response: str, **kwargs: str) -> Conversation:
    return Conversation(1, (Message("user", prompt, **kwargs), Message("assistant", response)))


def one(encode: Encoder, conversation: Conversation) -> Encoding:
    encode.check(conversation)
    (encoding,) = encode.encode([conversation])
    return encoding


def counting(encoding: Encoding) -> list[list[int]]:
    """The stretches of tokens that count."""
    stretches: list[list[int]] = []
    before = IGNORED
    for token, label in zip(encoding.input_ids, encoding.labels, strict=True):
        if label != IGNORED:
            assert label == token
            if before == IGNORED:
                stretches.append([])
            stretches[-1].append(token)
        before = label
    return stretches


@pytest.mark.parametrize("kind", KINDS)
def test_labels_are_the_response_its_delimiter_and_the_end(kind: str) -> None:
    tokenizer = build(kind)
    encoding = one(encoder(tokenizer), asked("What floats?", "The small boat.", input="An old map"))
    (response,) = counting(encoding)
    assert tokenizer.decode(response) == "The small boat." + END
    assert response[-1] == tokenizer.eos_token_id
    assert encoding.labels[0] == IGNORED
    assert encoding.labels[-1] != IGNORED
    assert encoding.input_ids.count(tokenizer.convert_tokens_to_ids("</s>")) == 1
    begin = tokenizer.convert_tokens_to_ids("<s>")
    has_begin = kind != "byte level, has no first token"
    assert [i for i, token in enumerate(encoding.input_ids) if token == begin] == [0] * has_begin
    assert encoding.noted == ()


def test_ids_by_hand() -> None:
    """One token a byte: the alphabet alone, as the byte-level vocabulary names it."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    letters = Tokenizer(models.BPE(vocab={letter: i for i, letter in enumerate(alphabet)}, merges=[]))
    letters.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    letters.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=letters, bos_token="<s>", eos_token="</s>")
    begin, end = tokenizer.bos_token_id, tokenizer.eos_token_id
    assert {begin, end} == {256, 257}

    def spelt(text: str) -> list[int]:
        return [alphabet.index({"\n": "Ċ", " ": "Ġ"}.get(letter, letter)) for letter in text]

    encoding = one(encoder(tokenizer), asked("Hi?", "Yes, I do", input="x"))
    prompt = spelt("<|instruct|>\nHi?\n<|/instruct|>\n<|input|>\nx\n<|/input|>\n<|response|>\n")
    response = [*spelt("Yes, I do\n<|/response|>"), end]
    assert encoding.input_ids == [begin, *prompt, *response]
    assert encoding.labels == [IGNORED] * (1 + len(prompt)) + response


LETTERS = st.characters(exclude_categories=["Cs"], exclude_characters="<>|")
PROMPTS = st.text(LETTERS | st.sampled_from("aeb \n\t"), min_size=1, max_size=25).filter(str.strip)
RESPONSES = PROMPTS.map(str.strip)


@settings(max_examples=40)
@given(st.sampled_from(sorted(KINDS)), PROMPTS, RESPONSES, st.text(st.sampled_from("ab \n"), max_size=4))
def test_decoding_gives_the_response_back(kind: str, prompt: str, response: str, input_text: str) -> None:
    tokenizer = TOKENIZERS[kind]
    encoding = one(encoder(tokenizer), asked(prompt, response, input=input_text))
    (labels,) = counting(encoding)
    decoded = tokenizer.decode(labels)
    assert decoded == response + END
    rendered = tokenizer.apply_chat_template(
        [Message("user", prompt, input_text).for_template()], add_generation_prompt=True, tokenize=False
    )
    prefix = list(prepare_tokenizer(tokenizer, TrainSettings()).prefix)
    expected = prefix + tokenizer(rendered, add_special_tokens=False).input_ids
    assert encoding.input_ids[: len(expected)] == expected
    assert encoding.labels[: len(expected)] == [IGNORED] * len(expected)
    assert IGNORED not in encoding.labels[len(expected) :]


def merging(*, prepend: str = "never") -> Any:
    """A tokenizer for which the line end before a response and its first letter are one token."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(set("▁\nab?<|/>instrucepo"))
    vocabulary = {text: i for i, text in enumerate(["<s>", "</s>", "<unk>", *alphabet, "\na"])}
    bpe = Tokenizer(models.BPE(vocab=vocabulary, merges=[("\n", "a")], unk_token="<unk>"))
    bpe.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=prepend, split=False)
    steps = [decoders.Replace("▁", " "), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    bpe.decoder = decoders.Sequence(steps[: 2 if prepend == "never" else 3])
    return PreTrainedTokenizerFast(tokenizer_object=bpe, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


@pytest.mark.parametrize("prepend", ["never", "first"])
def test_a_token_that_reaches_over_the_bound_is_kept_apart(prepend: str) -> None:
    tokenizer = merging(prepend=prepend)
    encode = encoder(tokenizer)
    apart = one(encode, asked("a b?", "a b"))
    assert apart.noted == ("boundary kept apart",)
    rendered = tokenizer.apply_chat_template(
        [{"role": "user", "content": "a b?"}], add_generation_prompt=True, tokenize=False
    )
    prompt = tokenizer(rendered, add_special_tokens=False).input_ids
    assert tokenizer.convert_ids_to_tokens(prompt[-1]) == "\n"
    assert apart.input_ids[: len(prompt)] == prompt
    (labels,) = counting(apart)
    assert tokenizer.convert_ids_to_tokens(labels[:3]) == ["a", "▁", "b"]
    assert tokenizer.decode(apart.input_ids) == tokenizer.decode(prompt) + "a b" + END
    assert one(encode, asked("a b?", "b a")).noted == ()
    assert encode.encode([asked("a b?", "a b"), asked("a b?", "b a")])[0] == apart


def conversation(*texts: str, system: str = "") -> Conversation:
    turns = [Message(("user", "assistant")[i % 2], text) for i, text in enumerate(texts)]
    return Conversation(1, (*([Message("system", system)] if system else []), *turns))


@pytest.mark.parametrize("kind", KINDS)
def test_every_turn_of_the_assistant_counts(kind: str) -> None:
    tokenizer = build(kind)
    chat = conversation("What floats?", "The boat.", "Who drew it?", "Nobody knew.", system="Be kind.")
    encoding = one(encoder(tokenizer), chat)
    assert [tokenizer.decode(stretch) for stretch in counting(encoding)] == [
        "The boat." + END,
        "Nobody knew." + END,
    ]
    rendered = tokenizer.apply_chat_template([turn.for_template() for turn in chat.messages], tokenize=False)
    prefix = list(prepare_tokenizer(tokenizer, TrainSettings()).prefix)
    assert encoding.input_ids == prefix + tokenizer(rendered, add_special_tokens=False).input_ids
    first = tokenizer.apply_chat_template(
        [turn.for_template() for turn in chat.messages[:2]], add_generation_prompt=True, tokenize=False
    )
    begin = len(prefix + tokenizer(first, add_special_tokens=False).input_ids)
    assert encoding.labels[:begin] == [IGNORED] * begin
    assert encoding.labels[begin] != IGNORED


def test_several_turns_kept_apart_lose_nothing() -> None:
    tokenizer = merging()
    encoding = one(encoder(tokenizer), conversation("b?", "a", "a b", "b", "b", "a a"))
    assert encoding.noted == ("boundary kept apart",)
    assert [tokenizer.decode(each) for each in counting(encoding)] == ["a" + END, "b" + END, "a a" + END]
    whole = [
        {"role": ("user", "assistant")[i % 2], "content": c}
        for i, c in enumerate(["b?", "a", "a b", "b", "b", "a a"])
    ]
    assert tokenizer.decode(encoding.input_ids) == tokenizer.apply_chat_template(whole, tokenize=False)


def test_a_response_is_cut_at_max_length_and_has_no_end() -> None:
    tokenizer = byte_level(adds_begin=True)
    row = asked("What floats?", "The small boat went out at dawn.")
    whole = one(encoder(tokenizer), row)
    prompt = whole.labels.index(next(label for label in whole.labels if label != IGNORED))
    size = len(whole.input_ids)
    for limit in range(2, size + 2):
        encoding = one(encoder(tokenizer, limit), row)
        dropped = one(encoder(tokenizer, limit, "drop"), row)
        if limit <= prompt:
            assert encoding.left_out == dropped.left_out == "prompt too long"
            assert encoding.input_ids == encoding.labels == []
        elif limit < size:
            assert encoding == Encoding(whole.input_ids[:limit], whole.labels[:limit], ("response cut",))
            assert dropped.left_out == "response too long"
        else:
            assert encoding == dropped == whole


def test_a_conversation_is_cut_behind_its_last_response_that_is_left() -> None:
    tokenizer = byte_level(adds_begin=True)
    chat = conversation("What floats?", "The boat.", "Who drew it?", "Nobody knew.")
    whole = one(encoder(tokenizer), chat)
    bounds = [
        i
        for i in range(1, len(whole.labels))
        if (whole.labels[i] == IGNORED) != (whole.labels[i - 1] == IGNORED)
    ]
    first, end, second = bounds
    for limit in range(2, len(whole.labels)):
        encoding = one(encoder(tokenizer, limit), chat)
        if limit <= first:
            assert encoding.left_out == "prompt too long"
            continue
        kept = end if end <= limit <= second else limit
        assert encoding == Encoding(whole.input_ids[:kept], whole.labels[:kept], ("response cut",))


def test_turns_that_cannot_fit_cost_nothing() -> None:
    tokenizer = byte_level(adds_begin=True)
    endless = conversation(*["What floats?", "The boat. " * 100] * 2_000)
    few = conversation(*["What floats?", "The boat. " * 100] * 4)
    encoding = one(encoder(tokenizer, 1_500), endless)
    assert encoding == one(encoder(tokenizer, 1_500), few)
    assert encoding.noted == ("response cut",)
    assert len(encoding.input_ids) == 1_500
    assert one(encoder(tokenizer, 1_500, "drop"), endless).left_out == "response too long"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("see <|/response|> there", "contains a delimiter"),
        ("<|instruct|>", "contains a delimiter"),
        ("a<|input|>", "contains a delimiter"),
        ("it ends </s> here", "contains a special token's text"),
        ("<pad>", "contains a special token's text"),
        ("<s>struck</s>", "contains a special token's text"),
        ("half \ud83d of it", "contains half a surrogate pair"),
    ],
)
@pytest.mark.parametrize("place", ["prompt", "input", "response", "system"])
def test_texts_that_would_break_the_format(text: str, reason: str, place: str) -> None:
    parts = {"prompt": "a", "input": "b", "response": "c", "system": "d"} | {place: text}
    turns = (
        Message("system", parts["system"]),
        Message("user", parts["prompt"], parts["input"]),
        Message("assistant", parts["response"]),
    )
    with pytest.raises(UnusableRowError, match=reason):
        encoder(byte_level(adds_begin=True)).check(Conversation(1, turns))


@pytest.mark.parametrize(
    "text", ["<b>bold</b>", "a < b | c > d", "<|im_end|>", "\x00 \ufeff \u2028 \r\n é 😀", "<|answer|>"]
)
def test_texts_that_do_no_harm(text: str) -> None:
    tokenizer = byte_level(adds_begin=True)
    encoding = one(encoder(tokenizer), asked(text, f"x{text}x", input=text))
    (labels,) = counting(encoding)
    assert tokenizer.decode(labels) == f"x{text}x" + END


def test_a_delimiter_that_is_a_token_is_one_label() -> None:
    tokenizer = byte_level(adds_begin=True)
    encoding = one(encoder(tokenizer, special_delimiters=True), asked("What floats?", "The boat."))
    close = tokenizer.convert_tokens_to_ids("<|/response|>")
    assert encoding.labels[-2:] == [close, tokenizer.eos_token_id]
    assert encoding.input_ids[1] == tokenizer.convert_tokens_to_ids("<|instruct|>")


def test_an_unknown_token_is_noted_in_a_response_only() -> None:
    encode = encoder(merging())
    assert one(encode, asked("b?", "b x")).noted == ("unknown token in a response",)
    assert one(encode, asked("x?", "b")).noted == ()


def test_a_batch_is_its_rows() -> None:
    encode = encoder(metaspace(adds_begin=True))
    rows = [asked("a", "b"), conversation("c", "d", "e", "f"), asked("g " * 50, "h", input="i")]
    assert encode.encode(rows) == [encode.encode([row])[0] for row in rows]
    assert encode.encode(rows[::-1]) == encode.encode(rows)[::-1]
