"""Whatever is in a results file or a sample log: a report, or one clear error; never a traceback."""

import copy
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from diversity_eval.report import compare, load_runs
from diversity_eval.report.document import document, response_sets
from tests.report.runs import write_run

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.just(10**400) | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


def paths(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The places of everything inside a JSON value."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, each in inside for place in [(*at, key), *paths(each, (*at, key))]]


def replaced(value: Any, place: tuple[Any, ...], by: Any) -> Any:
    changed = copy.deepcopy(value)
    inner = changed
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = by
    return changed


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    write_run(folder, "m", {"self_bleu": [1.0, 2.0], "quality": [4.0, None]}, available=9,
              notes={"ratings": [[5, None], [1, 2]], "partition": [[0, 1], [0, 0]]},
              counts={"quality_unscored": 1})  # fmt: skip
    return folder


@settings(max_examples=250, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_one_changed_value_anywhere(whole: Path, tmp_path: Path, data: st.DataObject) -> None:
    shutil.rmtree(tmp_path / "run", ignore_errors=True)
    shutil.copytree(whole, tmp_path / "run")
    write_run(tmp_path / "run" / "other", "n", {"self_bleu": [3.0, 4.0]})
    name = data.draw(st.sampled_from(["results_*", "samples_*"]))
    (file,) = (tmp_path / "run").glob(name)
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    place = data.draw(st.sampled_from(paths(lines)))
    changed = replaced(lines, place, data.draw(JSON))
    file.write_text("".join(json.dumps(line) + "\n" for line in changed))
    # The other run is whole, so there is something to report whatever happened to this one.
    comparison = compare(load_runs([tmp_path / "run"]), resamples=100)
    assert "n" in [row.label for row in comparison.rows]
    assert not [warning for warning in comparison.warnings if "\n" in warning]
    json.dumps(document(comparison), allow_nan=False)
    json.dumps(response_sets(comparison), allow_nan=False)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_file_cut_anywhere(whole: Path, tmp_path: Path, data: st.DataObject) -> None:
    shutil.rmtree(tmp_path / "run", ignore_errors=True)
    shutil.copytree(whole, tmp_path / "run")
    write_run(tmp_path / "run" / "other", "n", {"self_bleu": [3.0, 4.0]})
    (file,) = (tmp_path / "run").glob(data.draw(st.sampled_from(["results_*", "samples_*"])))
    content = file.read_bytes()
    file.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    rows = [row.label for row in compare(load_runs([tmp_path / "run"]), resamples=100).rows]
    assert "n" in rows
