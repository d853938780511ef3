import json
import math
from dataclasses import replace
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

import jsonschema
import pytest

from diversity_eval.report import compare, load_runs
from diversity_eval.report.document import SCHEMA_VERSION, document, response_sets
from tests.report.comparisons import PAPER_ROWS, comparison
from tests.report.runs import leaderboard, novelty_run, write_run

SCHEMA = json.loads(
    resources.files("diversity_eval.report").joinpath("report.schema.json").read_text(encoding="utf-8")
)


@pytest.mark.parametrize("rows", [PAPER_ROWS[:1], PAPER_ROWS])
def test_it_is_json_of_its_schema(rows: list[tuple[str, str, str]]) -> None:
    made = comparison(rows, groups={"safe": ["Qwen3*"]}, warnings=["one"])
    content = document(made, title="T", created=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(json.loads(json.dumps(content, allow_nan=False)), SCHEMA)
    assert (content["created"], content["schema_version"]) == ("2026-01-02T03:04:05Z", SCHEMA_VERSION)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**content, "schema_version": 2}, SCHEMA)


def test_numbers_that_are_not_finite_are_null() -> None:
    made = comparison()
    key = ("m-ce", "short_stories/self_bleu")
    made = replace(made, cells={key: replace(made.cells[key], std=math.nan, lower=-math.inf)})
    (cell,) = document(made)["cells"]
    assert (cell["std"], cell["lower"]) == (None, None)


def test_places_point_where_they_should() -> None:
    made = comparison(PAPER_ROWS)
    content = document(made)
    for cell in content["cells"]:
        label, key = content["rows"][cell["row"]]["label"], content["columns"][cell["column"]]["key"]
        assert made.cells[label, key].mean == cell["mean"]
    assert [row["label"] for row in content["rows"] if row["baseline"]] == [
        "Qwen3-8B-ce", "Phi-4-14B-ce", "Pythia-12B-ce"
    ]  # fmt: skip


def test_response_sets_align_runs_by_prompt(tmp_path: Path) -> None:
    write_run(tmp_path / "a", "a", {"self_bleu": [1.0, 2.0, 3.0]}, available=3)
    write_run(tmp_path / "b", "b", {"self_bleu": [5.0, 6.0]}, available=3, places=[2, 1],
              notes={"ratings": [[5, 4], [3, None]]})  # fmt: skip
    write_run(
        tmp_path / "c", "a", {"self_bleu": [9.0]}, task="short_stories_256", fields={"max_new_tokens": "256"}
    )
    (only,) = response_sets(compare(load_runs([tmp_path])))
    assert [prompt["key"] for prompt in only["prompts"]] == ["0", "1", "2"]
    assert [(source["row"], source["variant"]) for source in only["sources"]] == [
        ("a", "64 new tokens"), ("a", "256 new tokens"), ("b", "64 new tokens")
    ]  # fmt: skip
    assert only["responses"][2] == [None, ["story 1 by b", "another 1"], ["story 2 by b", "another 2"]]
    assert only["ratings"][2] == [None, [3, None], [5, 4]]
    by_column = {value["column"]: value["by_source"] for value in only["values"]}
    assert by_column["short_stories/self_bleu"] == [[1.0, 2.0, 3.0], [None] * 3, [None, 6.0, 5.0]]
    assert by_column["short_stories_256/self_bleu"][1] == [9.0, None, None]


def test_a_leaderboard_s_responses_stand_beside_ours_to_the_same_prompts(tmp_path: Path) -> None:
    novelty_run(tmp_path / "a")
    leaderboard(tmp_path / "nb-curated" / "v1.0", ["prompt 0", "prompt 1"])
    leaderboard(tmp_path / "other" / "nb-curated" / "v1.0", ["prompt 0", "quite another one"])
    names = {str(tmp_path / "other"): "elsewhere"}
    sets = response_sets(compare(load_runs([tmp_path], names=names)))
    assert [[source["row"] for source in each["sources"]] for each in sets] == [
        ["ours", "other"],
        ["elsewhere"],
    ]
    assert sets[0]["responses"][1] == [["a", "b"], ["a", "b"]]
