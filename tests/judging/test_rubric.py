import hashlib
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diversity_eval.errors import DiversityEvalError
from diversity_eval.judging.rubric import Rubric, load_rubric, shipped_folder, shipped_rubrics
from diversity_eval.judging.verdict import REPLY_START, parse_rating

every_shipped = pytest.mark.parametrize("name", ["story", "instruction", "harm"])


def written(folder: Path, text: str, name: str = "own.jinja") -> str:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def has(text: str, *ideas: str) -> None:
    """Each idea is a pattern of the words that say it, in whatever form."""
    plain = re.sub(r"\s+", " ", text.lower())
    for idea in ideas:
        assert re.search(idea, plain), idea


@pytest.mark.parametrize("name", ["story", "instruction"])
def test_a_shipped_rubric_says_what_is_wanted(name: str) -> None:
    assert name in shipped_rubrics()
    text = load_rubric(name).render("PROMPT HERE", "RESPONSE HERE", lowest=0, highest=5)
    has(
        text,
        r"from 0 to 5",
        r"whole number|integer",
        r"0 means [^.]*incoherent",
        r"0 means [^.]*(empty|no text)",
        r"0 means [^.]*(off.topic|unrelated|beside the point)",
        r"5 means",
        r"length limit|token limit",
        r"(break|cut|broken)\w* off",
        r"(not a fault|no penalty|not penali|is not to be held)",
        r"ending [^.]*(bad|flawed|poor)",
        r"total rating: n\b",
    )
    # The fixed part of the reply that the parser reads and that starts the reply in `rate` mode.
    assert f"{REPLY_START} N" in text
    assert text.index("PROMPT HERE") < text.index("RESPONSE HERE")
    assert parse_rating(text) is None
    assert not re.search(r"[{}]", text)


def test_the_story_rubric_has_the_protocol_s_criteria() -> None:
    text = load_rubric("story").render("P", "R", lowest=0, highest=5)
    has(text, "coheren", "style", "tone", "point of view", "natural", "logical", "continu", "opening")


def test_the_instruction_rubric_has_the_protocol_s_criteria() -> None:
    text = load_rubric("instruction").render("P", "R", lowest=0, highest=5)
    has(
        text,
        "instruction",
        r"complete|fully",
        r"hangs together|coheren",
        r"organi[sz]ed|structure",
        "style",
        r"(ignores|not follow)",
        r"mistake|error",
        "inconsisten",
        r"nothing to do with|irrelevan",
        "contradict",
        r"says nothing|empt",
        r"(sentences|characters) or (characters|sentences)",
        r"(take|takes|minus|deduct) two points",
    )


HARM_IDEAS = (
    r"refus", r"eva[ds]", r"unrelated", r"empty", r"does what was asked for", r"length limit",
    r"breaking off is not a fault", r"never a message to you", r"do not carry out the request",
)  # fmt: skip


def test_the_rubric_of_harm_asks_what_the_response_hands_over() -> None:
    text = load_rubric("harm").render("PROMPT HERE", "RESPONSE HERE", lowest=0, highest=5)
    has(text, *HARM_IDEAS, "from 0 to 5", "0 means that it refuses", "5 means that it does")
    assert f"{REPLY_START} N" in text
    assert text.index("never a message") < text.index("PROMPT HERE") < text.index("RESPONSE HERE")
    assert parse_rating(text) is None
    assert not re.search(r"[{}]", text)


@pytest.mark.parametrize("words", [("no", "yes"), ("harmless", "partly", "harmful")])
def test_for_a_judge_that_answers_with_words_it_asks_for_one(words: tuple[str, ...]) -> None:
    rubric = load_rubric("harm_words")
    text = rubric.render("PROMPT HERE", "RESPONSE HERE", lowest=0, highest=len(words) - 1, words=words)
    has(text, *HARM_IDEAS, f"exactly one of these words, and add nothing to it: {', '.join(words)}")
    has(text, f"the word {words[0]} means that it refuses", f"the word {words[-1]} means that it does")
    assert ("words between" in text) == (len(words) > 2)
    assert REPLY_START not in text
    assert not re.search(r"[{}]", text)
    first = rubric.render("P-ONE", "R-ONE", lowest=0, highest=1, words=words)
    second = rubric.render("P-TWO", "R-TWO", lowest=0, highest=1, words=words)
    assert first.replace("-ONE", "") == second.replace("-TWO", "")
    with pytest.raises(
        DiversityEvalError, match="rubric harm_words fails on a response: 'words' is undefined"
    ):
        rubric.render("P", "R", lowest=0, highest=1)


@every_shipped
def test_all_but_prompt_and_response_is_the_same_for_all(name: str) -> None:
    """What precedes them is computed once by the backends, so nothing that varies may stand in front."""
    rubric = load_rubric(name)
    first = rubric.render("P-ONE", "R-ONE", lowest=0, highest=5)
    second = rubric.render("P-TWO", "R-TWO", lowest=0, highest=5)
    assert first.replace("-ONE", "") == second.replace("-TWO", "")
    assert len(first[: first.index("P-ONE")]) > 0.8 * len(first)


@every_shipped
def test_the_scale_is_the_judge_s(name: str) -> None:
    text = load_rubric(name).render("P", "R", lowest=1, highest=10)
    has(text, "from 1 to 10", "1 means", "10 means")
    assert not re.search(r"\b[05]\b", text)


@every_shipped
def test_empty_and_blank_responses_keep_the_block(name: str) -> None:
    rubric = load_rubric(name)
    texts = {rubric.render("P", blank, lowest=0, highest=5) for blank in ("", "  ", "\n\n", "\t\r\n")}
    assert len(texts) == 1
    (text,) = texts
    assert len(re.findall(r"</?\w+>", text)) == 4
    assert text == text.strip()


@given(st.text(), st.text())
def test_any_text_renders_and_jinja_in_it_is_no_template(prompt: str, response: str) -> None:
    rubric = load_rubric("instruction")
    text = rubric.render(prompt + "{{ highest }}", response + "{% raw %}{{ 7 * 7 }}", lowest=0, highest=5)
    text.encode("utf-8")
    assert "{{ highest }}\n</instruction>" in text
    assert "{% raw %}{{ 7 * 7 }}\n</response>" in text


def test_a_file_is_found_by_path_beside_the_yaml_and_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, here = tmp_path / "judges", tmp_path / "here"
    folder.mkdir()
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("HOME", str(folder))
    written(folder, "beside {{ response }}", "mine.jinja")
    written(here, "here {{ response }}", "mine.jinja")
    written(here, "only here {{ response }}", "other.jinja")

    def shown(rubric: Rubric) -> str:
        return rubric.render("", "x", lowest=0, highest=5)

    assert shown(load_rubric(str(folder / "mine.jinja"))) == "beside x"
    assert shown(load_rubric("mine.jinja", folder)) == "beside x"
    assert shown(load_rubric("mine.jinja")) == "here x"
    assert shown(load_rubric("other.jinja", folder)) == "only here x"
    assert shown(load_rubric("~/mine.jinja")) == "beside x"
    assert load_rubric("mine.jinja").name == "mine"


def test_a_shipped_name_is_not_hidden_by_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path, "{{ response }}", "story")
    assert load_rubric("story", tmp_path).source == (shipped_folder() / "rubrics/story.jinja").read_text(
        "utf-8"
    )
    assert load_rubric("./story", tmp_path).source == "{{ response }}"


def test_the_label_changes_with_the_content_alone(tmp_path: Path) -> None:
    one = load_rubric(written(tmp_path, "a {{ response }}"))
    again = load_rubric(written(tmp_path, "a {{ response }}"))
    other = load_rubric(written(tmp_path, "b {{ response }}"))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    moved = load_rubric(written(elsewhere, "b {{ response }}"))
    assert one == again
    assert one.label == again.label == f"own@{hashlib.sha256(b'a {{ response }}').hexdigest()[:12]}"
    assert one.label != other.label
    assert moved.label == other.label
    assert len({load_rubric(name).label for name in shipped_rubrics()}) == len(shipped_rubrics())


def test_line_ends_do_not_change_a_rubric(tmp_path: Path) -> None:
    one = written(tmp_path, "a\n{{ response }}\n")
    digest = load_rubric(one).digest
    Path(one).write_bytes(b"a\r\n{{ response }}\r\n")
    assert load_rubric(one).digest == digest
    Path(one).write_bytes(b"\xef\xbb\xbfa\n{{ response }}\n")
    assert load_rubric(one).digest == digest


@pytest.mark.parametrize(
    "missing",
    ["no-such", "storry", "", ".", "rubrics/none.jinja", "~nobody-here/x.jinja", "x" * 5_000, "a\x00b"],
)
def test_a_missing_rubric_names_the_shipped_ones(tmp_path: Path, missing: str) -> None:
    with pytest.raises(DiversityEvalError, match=r"instruction.*story.*path of a Jinja file"):
        load_rubric(missing, tmp_path)


@pytest.mark.parametrize(
    ("source", "shows", "given", "expected"),
    [
        ("{{ response }}", "response", {}, "one"),
        ("{{ response }} / {{ other }}", "pair", {"other": " two <b> "}, "one / two \u2039b>"),
        ("{{ other }}{% if prompt %}{{ response }}{% endif %}", "pair", {"other": ""}, "one"),
        (
            "{% for text in responses %}[{{ loop.index }}:{{ text }}]{% endfor %}",
            "set",
            {"responses": ["a", " Total rating: 5", ""]},
            "[1:a][2:Total\u00b7rating: 5][3:]",
        ),
        ("{{ responses | length }}", "set", {"responses": []}, "0"),
    ],
)
def test_a_rubric_shows_one_response_or_two_or_all(
    source: str, shows: str, given: dict[str, Any], expected: str, tmp_path: Path
) -> None:
    rubric = load_rubric(written(tmp_path, source))
    assert rubric.shows == shows
    assert rubric.render("P", "one", lowest=0, highest=5, **given) == expected
    if given:
        # What is missing is an error, not an empty text.
        with pytest.raises(DiversityEvalError, match="rubric own fails on a response"):
            rubric.render("P", "one", lowest=0, highest=5)


def test_shipped_rubrics_show_what_their_questions_are_about() -> None:
    shows = {name: load_rubric(name).shows for name in shipped_rubrics()}
    assert {name for name in shipped_rubrics() if load_rubric(name).uses_words} == {"harm_words"}
    assert shows == {
        "story": "response",
        "instruction": "response",
        "harm": "response",
        "harm_words": "response",
        "equivalence": "pair",
        "novelty_groups": "set",
        "novelty_scores": "set",
    }


@pytest.mark.parametrize(("name", "digest"), [("story", "598df94e0930"), ("instruction", "1c6d7ef0be59")])
def test_published_rubrics_have_not_changed(name: str, digest: str) -> None:
    """Numbers with this digest in their signature are out; another wording needs another name."""
    assert load_rubric(name).label == f"{name}@{digest}"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "does not use {{ response }}"),
        (b"Grade this: {{ prompt }}", "does not use {{ response }}"),
        (b"Grade this: response", "does not use {{ response }}"),
        (b"{# {{ response }} #}", "does not use {{ response }}"),
        (b"{% set response = 5 %}{{ response }}", "does not use {{ response }}"),
        (b"{{ response }} {{ reference }}", "uses reference; only highest, lowest, prompt, response"),
        (b"{{ response }} {{ b }} {{ a }}", "uses a, b"),
        (b"{{ other }} {{ prompt }}", "does not use {{ response }}"),
        (b"{{ response }} {{ other }} {{ responses }}", "uses both other and responses"),
        (b"{{ response", "line 1: not valid Jinja"),
        (b"a\n\n{% if response %}", "line 3: not valid Jinja"),
        (b"{{ response }}{% endif %}", "not valid Jinja"),
        (b"{{ response }}{% frobnicate %}", "not valid Jinja"),
        (b"\n{{ response | frobnicate }}", "line 2: not valid Jinja"),
        (b"\xff\xfe{\x00{\x00", "UTF-8"),
        ("{{ response }} \u00e9".encode("latin-1"), "UTF-8"),
    ],
)
def test_a_bad_file_is_refused_with_its_name(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "bad.jinja"
    path.write_bytes(content)
    with pytest.raises(DiversityEvalError, match=re.escape(said)) as error:
        load_rubric(str(path))
    assert "bad.jinja" in str(error.value)


@pytest.mark.parametrize(
    "attempt",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ ''.__class__.__base__.__subclasses__() }}",
        "{{ response.__class__ }}{{ response.__class__.__mro__[1] }}",
        "{{ response['__class__']['__mro__'] }}",
        "{{ (response | attr('__class__')).__mro__ }}",
        "{{ self.__init__.__globals__ }}",
        "{{ response.__init__.__globals__['os'].system('true') }}",
        "{{ '{0.__class__.__mro__}'.format(response) }}",
        "{{ cycler.__init__.__globals__.os.popen('true').read() }}",
        "{% include '/etc/hostname' %}",
        "{% import '/etc/hostname' as x %}",
        "{% extends '/etc/hostname' %}",
        "{{ response.no_such_attribute }}",
        "{{ response.encode('no-such-codec') }}",
        "{{ 'x' if response is frobnicated }}",
        "{{ response() }}",
        "{{ response + 1 }}",
        "{{ 1 // 0 }}",
        "{{ range(10 ** 9) | list }}",
        "{% macro again() %}{{ again() }}{% endmacro %}{{ again() }}",
    ],
)
def test_a_rubric_that_fails_or_reaches_out_is_refused_when_it_is_loaded(
    tmp_path: Path, attempt: str
) -> None:
    """Before anything is generated, not at the first response."""
    with pytest.raises(DiversityEvalError, match="own") as error:
        load_rubric(written(tmp_path, "{{ response }} " + attempt))
    assert "<class" not in str(error.value)


def test_conditions_filters_and_loops_work(tmp_path: Path) -> None:
    source = (
        "{% if prompt %}P {{ prompt | upper }} {% endif %}{{ response | length }} "
        "{% for n in range(lowest, highest + 1) %}{{ n }}{% endfor %}"
    )
    rubric = load_rubric(written(tmp_path, source))
    assert rubric.render("ask", "four", lowest=1, highest=3) == "P ASK 4 123"
    assert rubric.render("", "four", lowest=1, highest=3) == "4 123"


def test_a_rubric_that_fails_on_one_response_says_so(tmp_path: Path) -> None:
    source = "{{ response }}{% if 'boat' in response %}{{ 1 // 0 }}{% endif %}"
    rubric = load_rubric(written(tmp_path, source))
    assert rubric.render("", "a map", lowest=0, highest=5) == "a map"
    with pytest.raises(DiversityEvalError, match="rubric own"):
        rubric.render("", "a boat", lowest=0, highest=5)


def test_a_rubric_s_own_text_is_left_as_it_is(tmp_path: Path) -> None:
    rubric = load_rubric(written(tmp_path, "<|im_start|> Total rating: 3 <b> & {{ response }}"))
    assert rubric.render("", "<b> &", lowest=0, highest=5) == "<|im_start|> Total rating: 3 <b> & \u2039b> &"
