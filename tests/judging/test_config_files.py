"""What the tests of judges', classifiers' and reward models' configurations leave out."""

from pathlib import Path

import pytest

from diversity_eval.errors import DiversityEvalError
from diversity_eval.judging.config_files import check_keys, find_config, model_path, read_settings


def test_a_shipped_name_goes_before_a_file_of_that_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped, here = tmp_path / "shipped", tmp_path / "here"
    shipped.mkdir()
    here.mkdir()
    for path in (
        shipped / "own.yaml",
        shipped / "v1.1.yaml",
        here / "own",
        here / "own.yaml",
        shipped / "x.txt",
    ):
        path.write_text("a: 1")
    monkeypatch.chdir(here)
    assert find_config("thing", "own", shipped) == shipped / "own.yaml"
    assert find_config("thing", "v1.1", shipped) == shipped / "v1.1.yaml"
    assert find_config("thing", "own.yaml", shipped).resolve() == here / "own.yaml"
    with pytest.raises(DiversityEvalError, match=r"thing 'x' is neither one of own, v1\.1 nor an existing"):
        find_config("thing", "x", shipped)


@pytest.mark.parametrize(
    "text",
    ["a: 2024-13-45", "a: !!int five", "a: !!float five", "a: " + "[" * 5_000, "a: 2024-02-30 25:61:61"],
)
def test_a_value_that_yaml_cannot_make_sense_of(tmp_path: Path, text: str) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(text)
    with pytest.raises(DiversityEvalError, match=r"thing .*own\.yaml: not valid YAML.*put texts in quotes"):
        read_settings("thing", path)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(DiversityEvalError, match="cannot be read as UTF-8 text"):
        read_settings("thing", tmp_path)


def test_keys_of_any_kind_become_texts(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("5: a\ntrue: b\nquantisation: c\n")
    settings = read_settings("thing", path, {"quantisation": "d", "new": 1})
    assert settings == {"5": "a", "True": "b", "quantization": "d", "new": 1}
    with pytest.raises(DiversityEvalError, match=r"here: unknown key '5'; the keys are b, new"):
        check_keys("here", settings, {"b", "new"})
    check_keys("here", {"b": 1}, {"b", "new"})


def test_a_checkpoint_in_the_working_folder_goes_before_one_beside_the_yaml(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside, here = tmp_path / "beside", tmp_path / "here"
    for folder in (beside / "tiny", here):
        folder.mkdir(parents=True)
    (beside / "tiny" / "config.json").write_text("{}")
    monkeypatch.chdir(here)
    assert model_path("tiny", beside) == str(beside / "tiny")
    assert model_path("org/tiny", beside) == "org/tiny"
    assert model_path(str(here), beside) == str(here)
    (here / "tiny").mkdir()
    assert model_path("tiny", beside) == "tiny"


@pytest.mark.parametrize("name", ["x" * 5_000, "x" * 300])
def test_a_name_that_no_file_can_have(tmp_path: Path, name: str) -> None:
    with pytest.raises(DiversityEvalError, match="is neither a Hub id nor a folder"):
        model_path(name, tmp_path)
