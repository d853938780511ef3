"""The page's file, without a browser."""

import base64
import gzip
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from diversity_eval.errors import DiversityEvalError
from diversity_eval.report.document import document
from diversity_eval.report.page import write_page
from diversity_eval.report.page.selection import select_responses
from tests.report.comparisons import comparison


def responses(prompts: int = 50, runs: int = 2) -> dict[str, Any]:
    """A set in which prompt n differs by n."""
    words = [hashlib.sha256(f"{n}".encode()).hexdigest() for n in range(prompts)]
    return {
        "task": "short_stories", "task_title": "Short Stories",
        "prompts": [{"key": str(n), "text": f"prompt {n}"} for n in range(prompts)],
        "sources": [{"row": f"r{run}", "evaluation": run, "variant": ""} for run in range(runs)],
        "responses": [[[f"{word} {run} {i}" for i in range(3)] for word in words] for run in range(runs)],
        "ratings": [[None] * prompts] * runs, "partition": [[None] * prompts] * runs,
        "values": [{"column": "short_stories/self_bleu",
                    "by_source": [[float(n * run) for n in range(prompts)] for run in range(runs)]}],
    }  # fmt: skip


def unpacked(content: str, name: str) -> Any:
    found = re.search(rf'id="{name}">([A-Za-z0-9+/=]*)<', content)
    assert found is not None
    return json.loads(gzip.decompress(base64.b64decode(found[1])))


def test_the_policy_allows_this_script_and_this_style_and_nothing_else(tmp_path: Path) -> None:
    write_page(tmp_path / "r.html", document(comparison()))
    content = (tmp_path / "r.html").read_text(encoding="utf-8")
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', content)
    script = re.search(r"<script>(.*?)</script>", content, re.DOTALL)
    style = re.search(r"<style>(.*?)</style>", content, re.DOTALL)
    assert policy is not None
    assert script is not None
    assert style is not None
    digest = {name: base64.b64encode(hashlib.sha256(found[1].encode()).digest()).decode()
              for name, found in (("script", script), ("style", style))}  # fmt: skip
    assert policy[1] == (
        f"default-src 'none'; script-src 'sha256-{digest['script']}'; style-src 'sha256-{digest['style']}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    assert not re.search(r"\son[a-z]+=|style=|https?://(?!www\.w3\.org)", content.replace(script[1], ""))
    assert "innerHTML" not in script[1]
    assert "eval(" not in script[1]


def test_the_data_inside_are_the_document(tmp_path: Path) -> None:
    made = document(comparison(), title="T")
    written = write_page(tmp_path / "r.html", made, responses=[responses()])
    content = (tmp_path / "r.html").read_text(encoding="utf-8")
    inside = unpacked(content, "report-data")
    assert {key: inside[key] for key in made} == json.loads(json.dumps(made))
    assert unpacked(content, "responses-0") == responses()
    assert (written.responses_inside, written.responses_beside, written.beside) == (300, 0, None)
    assert written.size == (tmp_path / "r.html").stat().st_size


def test_what_does_not_fit_is_beside_and_said(tmp_path: Path) -> None:
    made = document(comparison())
    bare = write_page(tmp_path / "bare.html", made).size
    written = write_page(tmp_path / "r.html", made, responses=[responses()], max_bytes=bare + 4_000)
    assert written.size <= bare + 4_000
    assert 0 < written.responses_inside < 300
    assert written.responses_inside + written.responses_beside == 300
    assert written.beside is not None
    with gzip.open(written.beside, "rt", encoding="utf-8") as file:
        lines = [json.loads(line) for line in file]
    assert len(lines) == 100
    assert lines[0] == {
        "task": "short_stories",
        "row": "r0",
        "variant": "",
        "key": "0",
        "responses": responses()["responses"][0][0],
    }
    content = (tmp_path / "r.html").read_text(encoding="utf-8")
    said = unpacked(content, "report-data")["responses_left_out"]
    assert said.startswith(f"{written.responses_inside} of 300 responses")
    assert "All of them are in r.responses.jsonl.gz beside it." in said
    # The largest differences are at the end of the data.
    kept = [int(prompt["key"]) for prompt in unpacked(content, "responses-0")["prompts"]]
    assert kept == list(range(50 - len(kept), 50))


def test_no_room_at_all_leaves_all_out() -> None:
    chosen = select_responses([responses()], -5, lambda each: "x" * len(each["prompts"]))
    assert (chosen.sets, chosen.inside, chosen.left_out) == ((), 0, 300)


def test_a_place_that_cannot_be_written_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(DiversityEvalError, match=r"r.html: cannot be written \(No such file or directory\)"):
        write_page(tmp_path / "nowhere" / "r.html", document(comparison()))


def test_a_brace_in_the_data_is_no_place_of_the_template(tmp_path: Path) -> None:
    write_page(tmp_path / "r.html", document(comparison(), title="{{ script }} {{ nothing }}"))
    assert "<title>{{ script }} {{ nothing }}</title>" in (tmp_path / "r.html").read_text(encoding="utf-8")


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    from datetime import UTC, datetime

    made = document(comparison(), created=datetime(2026, 1, 1, tzinfo=UTC))
    for name in ("a", "b"):
        write_page(tmp_path / name, made, responses=[responses()])
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
