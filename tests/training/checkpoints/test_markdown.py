"""Escaping, judged by a Markdown parser and a YAML parser."""

import yaml
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from diversity_eval.training.checkpoints.markdown import block, code, front_matter, table, text

CONTROL = {"Cc", "Cs"}
WORDS = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=30)
MARKED = st.text(st.sampled_from("`*_[](){}<>#|\\!~&;-+ .1ab\n\r\t"), min_size=1, max_size=25)


def parse(content: str) -> list[Token]:
    return MarkdownIt("commonmark", {"html": True}).enable("table").enable("strikethrough").parse(content)


def inline(content: str) -> list[Token]:
    """The tokens of one paragraph."""
    tokens = parse(content)
    assert [token.type for token in tokens] == ["paragraph_open", "inline", "paragraph_close"]
    return list(tokens[1].children or ())


def shown(content: str) -> str:
    return " ".join(content.split())


@given(WORDS | MARKED)
def test_text_reads_as_it_was(value: str) -> None:
    tokens = inline(f"x {text(value)} x")
    assert {token.type for token in tokens} <= {"text", "text_special"}
    found = "".join(token.content for token in tokens).removeprefix("x").removesuffix("x")
    assert shown(found) == shown(value_on_one_line(value))


@given(WORDS | MARKED)
def test_code_reads_as_it_was(value: str) -> None:
    wanted = shown(value_on_one_line(value))
    tokens = inline(f"x {code(value)} x")
    spans = [token for token in tokens if token.type == "code_inline"]
    assert len(spans) == 1
    assert shown(spans[0].content) == wanted


@given(st.lists(st.lists(WORDS | MARKED, min_size=2, max_size=2), min_size=1, max_size=3))
def test_a_table_keeps_its_shape(rows: list[list[str]]) -> None:
    content = table(["a", "b"], [[text(first), code(second)] for first, second in rows])
    cells = [token for token in parse(content) if token.type in ("td_open", "tr_open")]
    assert [token.type for token in cells].count("td_open") == 2 * len(rows)
    assert [token.type for token in cells].count("tr_open") == len(rows) + 1
    assert parse(content)[-1].type == "table_close"


@given(st.lists(WORDS | MARKED, min_size=1, max_size=4))
def test_nothing_closes_a_block(lines: list[str]) -> None:
    (token,) = parse(block(lines))
    assert token.type == "fence"
    assert len(token.content.splitlines()) <= token.content.count("\n")
    assert token.content.count("\n") == len(lines)


@given(st.dictionaries(st.sampled_from(["license", "base_model", "x"]), WORDS | MARKED, min_size=1))
def test_front_matter_says_what_it_was_given(fields: dict[str, str]) -> None:
    content = front_matter(fields)
    assert content.startswith("---\n")
    assert content.endswith("\n---\n")
    assert yaml.safe_load(content.removeprefix("---\n").removesuffix("---\n")) == fields
    assert "\n---\n" not in content.removesuffix("---\n")


def test_empty_fields_are_left_out() -> None:
    assert front_matter({"a": None, "b": "", "c": [], "d": 0}) == "---\nd: 0\n---\n"


def test_what_utf8_cannot_hold() -> None:
    for made in (text("a\ud800b"), code("a\ud800b"), block(["a\ud800b"])):
        assert made.encode("utf-8")
        assert "a?b" in made


def value_on_one_line(value: str) -> str:
    import re

    return re.sub("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+", " ", value).strip()
