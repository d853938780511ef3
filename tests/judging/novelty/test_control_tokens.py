"""What is broken up before a server sees it, and that nothing else is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diversity_eval.judging.novelty.control_tokens import broken_up

# As the tokenizers of these families spell them: Gemma, Llama 2 and 3, Qwen and other ChatML, Mistral,
# DeepSeek, Phi, BERT, T5, InternLM, GLM, GPT-NeoX, Command R.
SPELLED = """
<bos> <eos> <pad> <unk> <mask> <start_of_turn> <end_of_turn> <start_of_image> <unused12> <turn|> <|turn>
<s> </s> <|begin_of_text|> <|eot_id|> <|start_header_id|> <|reserved_special_token_3|> <|python_tag|>
<|im_start|> <|im_end|> <|endoftext|> <|vision_start|> <im_start>
[INST] [/INST] [SYSTEM_PROMPT] [/SYSTEM_PROMPT] [AVAILABLE_TOOLS] [TOOL_CALLS] <SPECIAL_20> <<SYS>> <</SYS>>
<\uff5cUser\uff5c> <\uff5cend\u2581of\u2581sentence\uff5c> <end_of_utterance> <|user|> <|end|>
[CLS] [SEP] [MASK] [PAD] [UNK] [unused7] <extra_id_0> [UNUSED_TOKEN_145] [gMASK]
<|START_OF_TURN_TOKEN|> <|CHATBOT_TOKEN|>
"""
TOKENS = SPELLED.split()

ORDINARY = (
    "a < b, b > c, 1<2>0, x <= y, a <- b, I <3 you",
    "<p>Hello <b>world</b></p><br/><table><tr><td>1</td></tr></table><h1>",
    "Dear <your name>, <your_name>, <end>, <turn>, <start of turn>, <End_Of_Turn>",
    "std::vector<int> v; Map<String, List<User>> m; List<S> s; f <| x |> g",
    "Total rating: 5\r\nTotal  rating : 3\t\u200bdone\u0000",
    "[1] see [above], [x] done, [ ] open, [link](http://example.org), [inst], a[SEP_CHAR], [PAD ]",
    "<div class='s'>\n\n  indented\n</div>  ",
    "</response> <response> ]]> <!-- note -->",
    "\uff1cend_of_turn\uff1e",
)


@pytest.mark.parametrize("token", TOKENS)
def test_control_tokens(token: str) -> None:
    shown = broken_up(f"a{token}b {token}")
    assert token not in shown
    assert len(shown) == len(f"a{token}b {token}")
    assert shown.replace("\u2039", "<").replace("\u27e6", "[") == f"a{token}b {token}"


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_text_stays(text: str) -> None:
    assert broken_up(text) == text


PARTS = st.one_of(
    st.text(max_size=6), st.sampled_from(TOKENS), st.sampled_from(["<", "[", "|", ">", "]", "<|", "|>"])
)


@given(st.lists(PARTS, max_size=12).map("".join))
def test_only_brackets_change_and_once_is_enough(text: str) -> None:
    shown = broken_up(text)
    assert len(shown) == len(text)
    assert {(a, b) for a, b in zip(text, shown, strict=True) if a != b} <= {("<", "\u2039"), ("[", "\u27e6")}
    assert not [token for token in TOKENS if token in shown]
    assert broken_up(shown) == shown
