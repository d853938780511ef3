"""Judges in real vLLM, in process and served, against the transformers backend on the same checkpoint."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from diversity_eval.judging.rubric import load_rubric
from tests.integration.test_vllm import environment, vllm_bin, vllm_serve
from tests.judging.backends.conftest import TEXTS

assert vllm_bin  # the fixture, found by its name
pytestmark = pytest.mark.vllm

ROWS = [
    {"id": f"own-{number}", "prompt": prompt, "responses": list(TEXTS)}
    for number, prompt in enumerate(("What would you do with a map?", "Describe a morning by the sea."))
]


def score(command: list[str], folder: Path, settings: dict[str, Any], data: Path) -> list[dict[str, Any]]:
    """The rows of the sample log that `diversity-eval score` writes with this judge."""
    judge = folder / "judge.yaml"
    judge.write_text(yaml.safe_dump({"dtype": "float32", **settings}), encoding="utf-8")
    source = folder / "responses.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")
    finished = subprocess.run(
        [*command, "score", str(source), "--judge", str(judge), "-o", "out", "--embeddings", "none"],
        cwd=folder, env=environment(data), capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert "Traceback" not in finished.stderr or finished.returncode == 0, finished.stderr[-3000:]
    (log,) = (folder / "out").glob("*/samples_*.jsonl")
    return [json.loads(line) for line in log.read_text(encoding="utf-8").split("\n") if line]


def here() -> list[str]:
    return [sys.executable, "-c", "from diversity_eval.cli import main; main()"]


def expected(rows: list[dict[str, Any]]) -> list[float]:
    return [value for row in rows for value in row["expected_ratings"]]


def read_on(checkpoint: Path, row: dict[str, Any]) -> list[float]:
    """Mean ratings from `Total rating:` on: a digit comes at once, or after a space if that is likeliest."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    model = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32).eval()
    rubric = load_rubric("instruction")
    digits = [tokenizer.convert_tokens_to_ids(str(digit)) for digit in range(6)]
    means = []
    for response in row["responses"]:
        text = tokenizer.apply_chat_template(
            [{"role": "user", "content": rubric.render(row["prompt"], response, lowest=0, highest=5)}],
            tokenize=False, add_generation_prompt=True,
        )  # fmt: skip
        ids = tokenizer(f"{text.rstrip()} Total rating:", add_special_tokens=False).input_ids
        with torch.inference_mode():
            p = model(torch.tensor([ids])).logits[0, -1].double().softmax(-1)
        assert int(p.argmax()) in digits  # this judge writes no space first
        means.append(float((p[digits] / p[digits].sum() * torch.arange(6)).sum()))
    return means


@pytest.fixture(scope="module")
def reference(
    judge_checkpoint: Path, data_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> list[float]:
    settings = {"backend": "transformers", "model": str(judge_checkpoint), "mode": "rate"}
    values = expected(score(here(), tmp_path_factory.mktemp("reference"), settings, data_folder))
    assert len(values) == 10
    assert (
        len({round(value, 3) for value in values}) > 5
    )  # a judge that sees no difference would prove nothing
    return values


@pytest.mark.parametrize("mode", ["rate", "generate"])
def test_in_process(
    mode: str,
    vllm_bin: Path,
    judge_checkpoint: Path,
    data_folder: Path,
    tmp_path: Path,
    reference: list[float],
) -> None:
    settings = {
        "backend": "vllm", "model": str(judge_checkpoint), "mode": mode, "max_length": 4096, "max_tokens": 8,
        "engine": {"enforce_eager": True},
    }  # fmt: skip
    rows = score([str(vllm_bin / "diversity-eval")], tmp_path, settings, data_folder)
    if mode == "rate":
        assert expected(rows) == pytest.approx(reference, abs=2e-3)
        return
    (tmp_path / "transformers").mkdir()
    same = {**settings, "backend": "transformers"}
    del same["engine"]
    others = score(here(), tmp_path / "transformers", same, data_folder)
    assert [row["ratings"] for row in rows] == [row["ratings"] for row in others]
    assert [row["unscored"] for row in rows] == [row["unscored"] for row in others]


def test_served(
    vllm_bin: Path, judge_checkpoint: Path, data_folder: Path, tmp_path: Path, reference: list[float]
) -> None:
    """Chat, with the reply begun for the judge; and completions, of token ids that the client makes."""
    values: dict[str, list[float]] = {}
    log = tmp_path / "log"
    # By itself vLLM runs a float32 checkpoint in 16 bits.
    with vllm_serve(vllm_bin, judge_checkpoint, data_folder, log, context=4096, dtype="float32") as url:
        ways: dict[str, dict[str, Any]] = {
            "chat": {"api": "chat"},
            "completions": {"api": "completions", "tokenizer": str(judge_checkpoint)},
            "generate": {"api": "chat", "mode": "generate", "max_tokens": 8},
        }
        for name, more in ways.items():
            (tmp_path / name).mkdir()
            settings = {
                "backend": "server", "model": "tiny", "mode": "rate",
                "base_url": url.removesuffix("/completions"), **more,
            }  # fmt: skip
            rows = score(here(), tmp_path / name, settings, data_folder)
            if name == "generate":
                assert sum(len(row["unscored"]) for row in rows) == 10  # digits, but no template
                assert all(entry["reply"].strip() for row in rows for entry in row["unscored"])
                continue
            assert all(row["unscored"] == [] for row in rows)
            values[name] = expected(rows)
    by_hand = [value for row in ROWS for value in read_on(judge_checkpoint, row)]
    assert len(by_hand) == len(reference)
    assert values["chat"] == pytest.approx(by_hand, abs=2e-3)
    # With a tokenizer the server gets token ids, the ones that the other backends see.
    assert values["completions"] == pytest.approx(reference, abs=2e-3)
