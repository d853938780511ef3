"""A run from its settings to its folder: what it writes and refuses, and how it goes on after a cut."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from diversity_eval.errors import DiversityEvalError
from diversity_eval.prompting.delimiters import is_own_chat_template
from diversity_eval.training import checkpoints, loading, run
from tests.training.faults import break_passes
from tests.training.runs import Finished, SharedRuns, read_log

pytestmark = pytest.mark.xdist_group("trainer")
# Everything that a random generator is drawn for while it trains.
RANDOM: dict[str, Any] = {"neftune_alpha": 5.0, "lora_dropout": 0.2}


def same(first: Finished, second: Finished) -> bool:
    return all(torch.equal(value, second.weights[name]) for name, value in first.weights.items())


def without_speed(log: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in row.items() if key != "tokens_per_second"} for row in log]


def interrupted(
    runs: SharedRuns, monkeypatch: pytest.MonkeyPatch, folder: Path, at: int, **changes: Any
) -> None:
    with monkeypatch.context() as patch:
        break_passes(patch, "interrupt", {at})
        with pytest.raises(KeyboardInterrupt):
            runs.anew(folder, **changes)


def test_what_a_run_leaves_behind(runs: SharedRuns) -> None:
    found = runs()
    names = sorted(str(path.relative_to(found.folder)) for path in found.folder.rglob("*"))
    assert names == [
        "README.md", "adapter_config.json", "adapter_model.safetensors", "chat_template.jinja",
        "diversity_eval.json", "log.jsonl", "settings.json", "tokenizer.json", "tokenizer_config.json",
    ]  # fmt: skip
    record = json.loads((found.folder / "diversity_eval.json").read_text(encoding="utf-8"))["training"]
    assert record["settings"]["loss"] == "tofu"
    assert record["data_report"]["used"] == 20
    results = record["results"]
    assert (results["steps"], results["processes"], results["optimizer"]) == (6, 1, "adamw_torch")
    assert results["last_loss"] == found.log[-1]["loss"] == found.result.last_loss
    assert results["mean_logged_loss"] == pytest.approx(sum(found.losses) / 6)
    assert results["compute_dtype"] == "float32"
    assert record["versions"]["trl"]
    # the machine's paths are those that the user gave
    for name in ("README.md", "diversity_eval.json", "settings.json", "adapter_config.json"):
        text = (found.folder / name).read_text(encoding="utf-8")
        for given in (found.folder, runs.dataset, runs.model):
            text = text.replace(str(given), "")
        assert str(Path.cwd()) not in text
        assert str(Path.home()) not in text
        assert str(runs.dataset.parent) not in text


def test_the_log_has_every_step_and_valid_json(runs: SharedRuns) -> None:
    log = runs().log
    assert [row["step"] for row in log] == [1, 2, 3, 4, 5, 6]
    assert [row["epoch"] for row in log] == pytest.approx([0.4, 0.8, 1.0, 1.4, 1.8, 2.0])
    for row in log:
        assert list(row) == [
            "step", "epoch", "loss", "p_label", "entropy", "grad_norm", "learning_rate", "tokens",
            "tokens_per_second",
        ]  # fmt: skip
        assert 0 < row["p_label"] < 1
        assert 0 < row["entropy"] < 6
        assert row["tokens_per_second"] > 0


def test_a_window_has_the_means_of_its_steps(runs: SharedRuns) -> None:
    single, windows = runs().log, runs(log_steps=4).log
    # the first step, every fourth, and the last
    assert [row["step"] for row in windows] == [1, 4, 6]
    for row, steps in zip(windows, ([0], [1, 2, 3], [4, 5]), strict=True):
        parts = [single[step] for step in steps]
        tokens = sum(part["tokens"] for part in parts)
        assert row["tokens"] == tokens
        assert row["loss"] == pytest.approx(sum(part["loss"] for part in parts) / len(parts), rel=1e-5)
        for key in ("p_label", "entropy"):
            assert row[key] == pytest.approx(
                sum(part[key] * part["tokens"] for part in parts) / tokens, rel=1e-6
            )


def test_the_trained_adapter_loads_and_says_what_the_log_says(runs: SharedRuns) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = runs().folder
    base = AutoModelForCausalLM.from_pretrained(runs.model, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    ids = tokenizer("The small boat", return_tensors="pt").input_ids
    before = base(input_ids=ids).logits
    after = PeftModel.from_pretrained(base, folder)(input_ids=ids).logits
    assert float((before - after).detach().abs().max()) > 0.01
    assert is_own_chat_template(tokenizer.chat_template)


def test_all_weights_are_saved_as_the_base_has_them(runs: SharedRuns, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    half = tmp_path / "half"
    AutoModelForCausalLM.from_pretrained(runs.model, dtype=torch.bfloat16).save_pretrained(half)
    AutoTokenizer.from_pretrained(runs.model).save_pretrained(half)
    found = runs.anew(model=str(half), lora=False, loss="ce", max_steps=2)
    assert {value.dtype for value in found.weights.values()} == {torch.bfloat16}
    assert json.loads((found.folder / "config.json").read_text(encoding="utf-8"))["dtype"] == "bfloat16"
    names = {path.name for path in found.folder.iterdir()}
    assert names >= {
        "model.safetensors",
        "config.json",
        "tokenizer.json",
        "README.md",
        "generation_config.json",
    }
    assert not any(name.endswith((".bin", ".pt", ".pth")) or "adapter" in name for name in names)
    # trained in the dtype of `auto`, which on a CPU is float32: the first loss is not rounded
    assert found.log[0]["loss"] == pytest.approx(runs(loss="ce").log[0]["loss"], rel=0.02)


@pytest.mark.parametrize(("at", "step"), [(13, 3), (16, 3), (19, 4)])
def test_a_run_that_was_cut_off_ends_as_if_it_had_not_been(
    runs: SharedRuns, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, at: int, step: int
) -> None:
    changes = {**RANDOM, "save_steps": 3 if step == 3 else 4}
    whole = runs(**changes)
    folder = tmp_path / "out"
    interrupted(runs, monkeypatch, folder, at, **changes)
    assert read_log(folder)[-1]["step"] >= step
    found = runs.anew(folder, **changes)
    assert (found.result.resumed_from, found.result.steps) == (step, 6)
    assert same(found, whole)
    assert without_speed(found.log) == without_speed(whole.log)
    assert found.result.last_loss == whole.result.last_loss


def test_windows_of_the_log_are_the_same_after_a_cut(
    runs: SharedRuns, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    changes = {"save_steps": 3, "log_steps": 4}
    whole = runs(**changes)
    assert [row["step"] for row in whole.log] == [1, 3, 4, 6]
    interrupted(runs, monkeypatch, tmp_path / "out", 16, **changes)
    assert without_speed(runs.anew(tmp_path / "out", **changes).log) == without_speed(whole.log)


def test_without_a_checkpoint_it_begins_anew(
    runs: SharedRuns, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    interrupted(runs, monkeypatch, tmp_path / "out", 13)
    assert len(read_log(tmp_path / "out")) == 3
    found = runs.anew(tmp_path / "out")
    assert found.result.resumed_from == 0
    assert without_speed(found.log) == without_speed(runs().log)
    assert same(found, runs())


def test_a_run_cut_off_behind_its_last_step_is_only_finished(
    runs: SharedRuns, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def full(*_: Any) -> None:
        raise OSError("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "write_model_card", full)
        with pytest.raises(OSError, match="No space"):
            runs.anew(tmp_path / "out", save_steps=3)
    found = runs.anew(tmp_path / "out", save_steps=3)
    assert (found.result.resumed_from, found.result.steps) == (6, 6)
    assert same(found, runs())
    assert without_speed(found.log) == without_speed(runs().log)


@pytest.mark.parametrize(("save_steps", "left"), [(2, [4, 6]), (0, [2])])
def test_a_torn_checkpoint_is_passed_over_and_deleted(
    runs: SharedRuns, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, save_steps: int, left: list[int]
) -> None:
    folder = tmp_path / "out"
    interrupted(runs, monkeypatch, folder, 18, save_steps=2)
    saved = folder / "checkpoints"
    assert sorted(path.name for path in saved.iterdir()) == ["checkpoint-2", "checkpoint-4"]
    optimizer = saved / "checkpoint-4" / "optimizer.pt"
    optimizer.write_bytes(optimizer.read_bytes()[:-10])
    found = runs.anew(folder, save_steps=save_steps)
    assert found.result.resumed_from == 2
    assert same(found, runs())
    assert sorted(path.name for path in saved.iterdir()) == [f"checkpoint-{step}" for step in left]
    assert all((path / "complete.json").is_file() for path in saved.iterdir())


def test_a_finished_run_is_not_run_again(runs: SharedRuns, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    shutil.copytree(runs().folder, folder)
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    with pytest.raises(
        DiversityEvalError, match="holds this run, finished; choose another folder, or --overwrite"
    ):
        run.train(runs.settings(), folder)
    with pytest.raises(DiversityEvalError, match=r"other settings: loss was 'tofu' and is 'ce'"):
        run.train(runs.settings(loss="ce"), folder)
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_overwriting_waits_until_nothing_can_be_refused(runs: SharedRuns, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    shutil.copytree(runs().folder, folder)
    (folder / "model-of-the-earlier-run.safetensors").write_text("x")
    with pytest.raises(DiversityEvalError, match="there is no such folder"):
        run.train(runs.settings(model=str(tmp_path / "missing")), folder, overwrite=True)
    with pytest.raises(DiversityEvalError, match="needs CUDA"):
        run.train(runs.settings(optimizer="paged_adamw_8bit"), folder, overwrite=True)
    assert (folder / "model-of-the-earlier-run.safetensors").exists()
    assert run.train(runs.settings(max_steps=1), folder, overwrite=True) is not None
    assert not (folder / "model-of-the-earlier-run.safetensors").exists()
    assert [row["step"] for row in read_log(folder)] == [1]


def test_other_data_under_the_same_name(
    runs: SharedRuns, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    rows = tmp_path / "rows.jsonl"
    shutil.copy(runs.dataset, rows)
    interrupted(runs, monkeypatch, tmp_path / "out", 13, dataset=str(rows), save_steps=3)
    lines = rows.read_text(encoding="utf-8").splitlines(keepends=True)
    rows.write_text("".join([lines[-1], *lines[1:]]), encoding="utf-8")
    with pytest.raises(DiversityEvalError, match="holds a run on other data or with another tokenizer"):
        runs.anew(tmp_path / "out", dataset=str(rows), save_steps=3)


def test_merging_at_the_end_and_later(runs: SharedRuns, tmp_path: Path) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    found = runs.anew(tmp_path / "out", merge=True)
    assert found.result.merged == tmp_path / "out" / "merged"
    ids = torch.arange(3, 40).unsqueeze(0)
    base = AutoModelForCausalLM.from_pretrained(runs.model, dtype=torch.float32)
    with torch.no_grad():
        expected = PeftModel.from_pretrained(base, tmp_path / "out")(input_ids=ids).logits
        merged = AutoModelForCausalLM.from_pretrained(tmp_path / "out" / "merged", dtype=torch.float32)
        assert torch.allclose(merged(input_ids=ids).logits, expected, atol=1e-4)
    # asked for when the run was finished already
    shutil.rmtree(tmp_path / "out" / "merged")
    result = run.train(runs.settings(merge=True), tmp_path / "out")
    assert result is not None
    assert (result.steps, result.resumed_from, result.merged) == (6, 6, tmp_path / "out" / "merged")
    assert (result.loss, result.last_loss) == (found.result.loss, found.result.last_loss)
    assert (tmp_path / "out" / "merged" / "model.safetensors").is_file()
    with pytest.raises(DiversityEvalError, match="finished"):
        run.train(runs.settings(merge=True), tmp_path / "out")


def test_a_quantised_base_stays_as_it_is(
    runs: SharedRuns, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    held: list[Any] = []
    before: dict[str, torch.Tensor] = {}
    load = loading.load_base

    def watched(settings: Any) -> Any:
        loaded = load(settings)
        held.append(loaded.model)
        before.update({name: value.clone() for name, value in loaded.model.state_dict().items()})
        return loaded

    monkeypatch.setattr(loading, "load_base", watched)
    found = runs.anew(tmp_path / "out", quantization="nf4")
    (model,) = held
    after = {name.replace(".base_layer", ""): value for name, value in model.state_dict().items()}
    packed = [
        name for name, value in before.items() if value.dtype == torch.uint8 and name.endswith("proj.weight")
    ]
    assert len(packed) == 7
    assert any("nested_absmax" in name for name in before), "is quantised twice"
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    assert {value.dtype for value in found.weights.values()} == {torch.float32}
    trained = [value for name, value in found.weights.items() if "lora_B" in name]
    assert len(trained) == 7
    assert all(float(value.abs().max()) > 0 for value in trained)
    # not the numbers of the full precision, but near them
    exact = runs().losses
    assert found.losses[0] != pytest.approx(exact[0], rel=1e-4)
    assert found.losses == pytest.approx(exact, rel=0.3)
    assert found.losses[-1] < found.losses[0]


def test_special_delimiters_are_trained_as_tokens_of_their_own(runs: SharedRuns) -> None:
    found = runs.anew(special_delimiters=True, lora=False, loss="ce", max_steps=2)
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(found.folder)
    model = AutoModelForCausalLM.from_pretrained(found.folder)
    (token,) = tokenizer("<|/response|>", add_special_tokens=False).input_ids
    assert token >= AutoModelForCausalLM.from_pretrained(runs.model).config.vocab_size
    assert model.get_input_embeddings().weight.shape[0] >= len(tokenizer) > token


def test_a_tokenizer_that_does_not_belong_to_the_model(runs: SharedRuns, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    shutil.copytree(runs.model, tmp_path / "model")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "model")
    model.resize_token_embeddings(100)
    model.save_pretrained(tmp_path / "model")
    with pytest.raises(
        DiversityEvalError, match=r"writes token \d+, but it has only 100 embeddings; use the tokenizer"
    ):
        runs.anew(tmp_path / "out", model=str(tmp_path / "model"))
    assert not (tmp_path / "out").exists()


def test_importing_the_trainer_imports_no_torch() -> None:
    import subprocess
    import sys

    code = "import sys, diversity_eval.training.run, diversity_eval.cli.train; print('torch' in sys.modules)"
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert finished.stdout == "False\n"
