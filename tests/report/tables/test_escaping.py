"""Labels are foreign text: what is read back from a table is what was put in, whatever it was."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from diversity_eval.report.comparison import Comparison
from diversity_eval.report.tables import latex, markdown
from tests.report.comparisons import comparison

PLACE = "PLACEHOLDER"
# What a label may be made of: everything that Markdown or LaTeX takes for its own, in all orders.
MARKUP = st.text(st.sampled_from("\\|`*_{}[]<>#~&$%@!-+=^\"'():/.1w a\n\tλ±"), min_size=1, max_size=24)
READ_BACK = {
    r"\textbackslash{}": "\\", r"\textasciitilde{}": "~", r"\textasciicircum{}": "^", r"\textless{}": "<",
    r"\textgreater{}": ">", r"\textbar{}": "|", r"\char34{}": '"', r"\textasciigrave{}": "`",
    r"\textquotesingle{}": "'", "{[}": "[", "{]}": "]", "{*}": "*", "{}-": "-", r"$\lambda$": "λ",
    r"$\pm$": "±", **{f"\\{special}": special for special in "&%$#_{}"},
}  # fmt: skip
TOKEN = re.compile("|".join([*map(re.escape, sorted(READ_BACK, key=len, reverse=True)), "."]))
OWN = frozenset("\\{}$&#%_^~")


class Names(HTMLParser):
    """The text of the second cell of each line."""

    def __init__(self) -> None:
        super().__init__()
        self.cells: list[list[str]] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)
        if tag == "tr":
            self.cells.append([])
        elif tag == "td":
            self.cells[-1].append("")

    def handle_data(self, data: str) -> None:
        if self.cells and self.cells[-1]:
            self.cells[-1][-1] += data


@pytest.fixture(scope="module")
def made() -> Comparison:
    """One benchmark of two runs."""
    whole = comparison([(PLACE, "m", None), ("other", "n", None)], n=6)
    columns = tuple(column for column in whole.columns if column.metric == "self_bleu")
    return replace(whole, columns=columns, summary=(), warnings=())


def named(made: Comparison, label: str) -> Comparison:
    rows = tuple(replace(row, label=label) if row.label == PLACE else row for row in made.rows)
    cells = {
        (label if row == PLACE else row, key): replace(cell, row=label if row == PLACE else row)
        for (row, key), cell in made.cells.items()
    }
    return replace(made, rows=rows, cells=cells)


@given(label=MARKUP)
@example(label="a\\|b")
@example(label="ends in \\")
@example(label="    four spaces")
@example(label="1) one")
@settings(max_examples=150, deadline=None)
def test_a_label_in_markdown_is_read_back(made: Comparison, label: str) -> None:
    names = Names()
    names.feed(MarkdownIt("gfm-like", {"linkify": False}).render(markdown(named(made, label))))
    first = next(line for line in names.cells if line)
    assert first[1].strip() == " ".join(label.split())
    assert len(first) == 3
    assert names.tags <= {"h3", "p", "br", "table", "thead", "tbody", "tr", "th", "td", "strong"}


@given(label=MARKUP)
@example(label="a--b---c")
@example(label="[x] *")
@settings(max_examples=150, deadline=None)
def test_a_label_in_latex_is_read_back(made: Comparison, label: str) -> None:
    text = latex(named(made, label))
    (line,) = re.findall(r"\\midrule\n(.*)", text)
    name = re.match(r"Short Stories & (.*) & (?:\\textbf\{)?[0-9.]+\$\\pm\$", line)
    assert name is not None
    tokens = TOKEN.findall(name[1])
    assert not [token for token in tokens if len(token) == 1 and token in OWN]
    assert "--" not in name[1]
    # White space at the ends is nothing in a cell.
    assert " ".join("".join(READ_BACK.get(token, token) for token in tokens).split()) == " ".join(
        label.split()
    )


@pytest.mark.parametrize("mark", ["\u202e", "\u2066", "\u200f", "\u061c", "\u2028", "\x00", "\x1b"])
def test_what_turns_or_ends_a_line_is_gone(made: Comparison, mark: str) -> None:
    hostile = named(made, f"a{mark}b")
    assert mark not in markdown(hostile)
    assert mark not in latex(hostile)


@pytest.mark.parametrize("task", ["[2cm] x", "*x"])
def test_no_line_of_latex_begins_with_what_a_line_s_end_looks_for(made: Comparison, task: str) -> None:
    text = latex(replace(made, columns=tuple(replace(column, task=task) for column in made.columns)))
    assert not re.search(r"(?m)^\s*[\[*]", text)
