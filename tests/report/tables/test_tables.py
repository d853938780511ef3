import re
from html.parser import HTMLParser

import numpy as np
import pytest
import yaml
from markdown_it import MarkdownIt

from diversity_eval.report.comparison import Comparison
from diversity_eval.report.tables import cells_frame, latex, markdown, model_index, tables_of, tidy
from tests.report.comparisons import PAPER_ROWS, comparison
from tests.report.page.hostile import HOSTILE


@pytest.fixture(scope="module")
def paper() -> Comparison:
    return comparison(PAPER_ROWS)


class Cells(HTMLParser):
    """The tags of rendered Markdown, and the number of cells in each line of its tables."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.lines: list[int] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)
        if tag == "tr":
            self.lines.append(0)
        elif tag in ("td", "th"):
            self.lines[-1] += 1


def rendered(text: str) -> Cells:
    cells = Cells()
    cells.feed(MarkdownIt("gfm-like", {"linkify": False}).render(text))
    return cells


def test_losses_down_and_models_across_as_the_paper_prints(paper: Comparison) -> None:
    stories = tables_of(paper)[0]
    assert [model for model, _ in stories.heads] == ["Qwen3-8B", "Phi-4-14B", "Pythia-12B"]
    assert stories.heads[0][1] == ("Self-BLEU ↓", "Quality ↑")
    (group,) = stories.groups
    assert [name for name, _ in group.lines] == ["Base", "CE", "Focal", "GEM", "λ-PR", "TOFU"]
    cell = paper.cells["Phi-4-14B-gem", "short_stories/self_bleu"]
    assert group.lines[3][1][2].text == f"{cell.mean:.1f} ± {cell.std:.1f}"
    assert group.lines[3][1][2].marks == ("40 of 100 prompts",)


def test_runs_down_where_models_and_losses_do_not_name_them() -> None:
    (first, *_) = tables_of(comparison([("a", "m", "ce"), ("b", "m", "ce")]))
    assert first.heads[0][0] == ""
    assert [name for name, _ in first.groups[0].lines] == ["a", "b"]


def test_benchmarks_with_the_same_metrics_share_a_table(paper: Comparison) -> None:
    assert [table.title for table in tables_of(paper)] == [
        "Short Stories", "NoveltyBench", "MATH-500", "HarmBench", "ARC Challenge"
    ]  # fmt: skip


def test_bold_is_what_is_best(paper: Comparison) -> None:
    best = [cell for cell in paper.cells.values() if cell.best and paper.column(cell.column).headline]
    assert markdown(paper).count("**") == 2 * len(best)
    assert latex(paper).count(r"\textbf{") == len(best)


def test_markdown_renders_with_every_line_as_long_as_its_head(paper: Comparison) -> None:
    cells = rendered(markdown(paper))
    assert set(cells.lines) == {8, 5}
    assert cells.tags.count("table") == 5


def test_latex_is_booktabs_and_balanced(paper: Comparison) -> None:
    text = latex(paper)
    for word in (
        r"\toprule",
        r"\midrule",
        r"\bottomrule",
        r"\cmidrule(lr){3-4}",
        r"\multicolumn{2}{c}{Qwen3-8B}",
    ):
        assert word in text
    check_latex(text)


def check_latex(text: str) -> None:
    """No character that LaTeX takes for its own but those that we wrote, and as many columns in every
    line.
    """
    assert text.isascii()
    depth = 0
    for found in re.finditer(r"\\.|[{}]", text):
        depth += {"{": 1, "}": -1}.get(found[0], 0)
        assert depth >= 0
    assert depth == 0
    plain = re.sub(r"\\[&%$#_{}]", "", text)
    assert "#" not in plain
    assert len(re.findall(r"(?m)^%", plain)) == plain.count("%") == 1  # the comment of the first line
    assert plain.count("$") % 2 == 0
    commands = set(re.findall(r"\\([a-zA-Z]+)", plain))
    assert commands <= {
        "begin", "end", "centering", "toprule", "midrule", "bottomrule", "cmidrule", "multicolumn",
        "textbf", "caption",
        "textsuperscript", "usepackage", "pm", "uparrow", "downarrow", "lambda", "gamma", "beta",
        "ldots", "textbackslash", "char", "textit", "footnotesize", "setlength", "tabcolsep",
        "textasciitilde", "textasciicircum", "textless", "textgreater", "textbar",
        "textasciigrave",
        "textquotesingle",
    }  # fmt: skip
    for table in re.findall(r"\\begin\{tabular\}\{(l+c+)\}(.*?)\\end\{tabular\}", text, re.DOTALL):
        for line in re.findall(r"(?m)^(.*) \\\\$", table[1]):
            spans = [int(n) - 1 for n in re.findall(r"\\multicolumn\{(\d+)\}", line)]
            assert len(re.findall(r"(?<!\\)&", line)) + 1 + sum(spans) == len(table[0])


def test_hostile_names_are_text_in_both() -> None:
    names = [text for text in HOSTILE.values() if text.strip() and len(text) < 500]
    made = comparison([(name, name, None) for name in names], n=6, warnings=names)
    check_latex(latex(made))
    text = markdown(made)
    cells = rendered(text)
    assert set(cells.lines) <= {3, 4}
    assert set(cells.tags) <= {
        "p",
        "blockquote",
        "h3",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "strong",
        "br",
    }
    text.encode("utf-8")


def test_frames_have_every_number_once(paper: Comparison) -> None:
    frame = cells_frame(paper)
    assert len(frame) == len(paper.cells)
    line = frame[(frame.row == "Phi-4-14B-gem") & (frame.metric == "self_bleu")].iloc[0]
    cell = paper.cells["Phi-4-14B-gem", "short_stories/self_bleu"]
    assert cell.difference is not None
    assert (line["mean"], line["p_adjusted"], line["other"]) == (
        cell.mean,
        cell.difference.p_adjusted,
        "Phi-4-14B-ce",
    )
    values = tidy(paper)
    own = values[(values.row == "Phi-4-14B-gem") & (values.metric == "self_bleu")]
    assert len(own) == 40
    assert own.value.mean() == pytest.approx(cell.mean)
    assert own.signature.iloc[0].startswith("self_bleu|k:10|temperature:1")
    assert np.isfinite(values.value).all()


def test_a_model_card_s_metadata_is_what_the_hub_reads(paper: Comparison) -> None:
    from huggingface_hub.repocard_data import model_index_to_eval_results

    content = yaml.safe_load(yaml.safe_dump(model_index(paper, "Qwen3-8B-tofu")))
    name, results = model_index_to_eval_results(content["model-index"])
    assert name == "Qwen3-8B-tofu"
    cell = paper.cells["Qwen3-8B-tofu", "short_stories/self_bleu"]
    (found,) = [r for r in results if r.metric_type == "self_bleu"]
    assert found.metric_value == pytest.approx(cell.mean, abs=1e-6)
    assert (found.dataset_type, found.verified) == ("short_stories", False)
    assert found.metric_name == "Self-BLEU (40 of 100 prompts)"
    assert len(results) == sum(
        1 for (row, key) in paper.cells if row == "Qwen3-8B-tofu" and paper.column(key).headline
    )
    with pytest.raises(KeyError):
        model_index(paper, "nobody")


def test_empty_comparisons_have_empty_tables() -> None:
    from dataclasses import replace

    bare = replace(comparison(), columns=(), cells={}, summary=(), evaluations=())
    assert tables_of(bare) == []
    assert markdown(bare) == ""
    assert len(tidy(bare)) == len(cells_frame(bare)) == 0
