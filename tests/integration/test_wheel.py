"""A new environment with nothing of ours in it but the wheel runs the literal command."""

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.judging.novelty.models import SENTENCES, build_classifier, build_reward_model

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("wheel")]
ROOT = Path(__file__).parent.parent.parent


def run(command: Sequence[str | Path], folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
    return subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env={**kept, "HF_HUB_OFFLINE": "1", **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    built = run([sys.executable, "-m", "build", "--wheel", "--outdir", folder, ROOT], folder)
    assert built.returncode == 0, built.stderr
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` folder of a virtual environment with the wheel and its extra `hf`."""
    folder = tmp_path_factory.mktemp("environment")
    assert run([sys.executable, "-m", "venv", folder], folder).returncode == 0
    pip: list[str | Path] = [folder / "bin" / "pip", "--disable-pip-version-check", "-q"]
    installed = run([*pip, "install", "-c", ROOT / "constraints.txt", f"{wheel}[hf]"], folder)
    assert installed.returncode == 0, installed.stderr[-3000:]
    return folder / "bin"


def test_the_wheel_holds_tasks_judges_and_configs(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    for wanted in (
        "lm_eval/tasks/diversity_eval/short_stories/short_stories.yaml",
        "lm_eval/tasks/diversity_eval/_sampling_64_yaml",
        "diversity_eval/judges/README.md",
        "diversity_eval/judges/llama-3.1-70b-nf4.yaml",
        "diversity_eval/judges/rubrics/story.jinja",
        "diversity_eval/judges/classifiers/novelty-bench.yaml",
        "diversity_eval/judges/rewards/skywork-27b-nf4.yaml",
        "lm_eval/tasks/diversity_eval/novelty_bench/novelty_bench.yaml",
        "diversity_eval/configs/README.md",
        "diversity_eval/configs/alpaca/tofu.yaml",
        "diversity_eval/configs/ablation/focal_gamma5.yaml",
        "diversity_eval/data/sources.yaml",
        "diversity_eval/prompting/chat_template.jinja",
        "diversity_eval/demo/tasks/demo_stories.yaml",
        "diversity_eval/report/published_results.csv",
        "diversity_eval/report/report.schema.json",
        "diversity_eval/report/page/assets/page.html",
        "diversity_eval/report/page/assets/main.js",
        "diversity_eval/py.typed",
    ):
        assert wanted in names
    assert not [name for name in names if name.startswith(("tests/", "benchmarks/", "tasks/"))]


def test_the_literal_command(environment: Path, checkpoint: Path, data_folder: Path, tmp_path: Path) -> None:
    command = (
        f"lm_eval --tasks short_stories,small_prompts --model hf --model_args pretrained={checkpoint} "
        f"--device cpu --batch_size 8 --limit 2 --output_path {tmp_path} --log_samples"
    ).split()
    finished = run([environment / command[0], *command[1:]], tmp_path, DIVERSITY_EVAL_DATA=str(data_folder))
    assert finished.returncode == 0, finished.stderr[-3000:]
    (results_file,) = tmp_path.glob("*/results_*.json")
    results = json.loads(results_file.read_text(encoding="utf-8"))
    for task in ("short_stories", "small_prompts"):
        assert f"|{task}" in finished.stdout.replace(" ", "")
        assert 0 <= results["results"][task]["self_bleu,none"] <= 100
        assert "self_bleu" in results["configs"][task]["metadata"]["diversity_eval"]["signatures"]
        (samples_file,) = tmp_path.glob(f"*/samples_{task}_*.jsonl")
        samples = [json.loads(line) for line in samples_file.read_text("utf-8").split("\n") if line]
        assert [len(sample["filtered_resps"][0]) for sample in samples] == [10, 10]
    options = [
        "--published",
        "alpaca",
        "--format",
        "html,md,tex,csv,parquet,json,model-index",
        "-o",
        "r.html",
    ]
    compared = run([environment / "diversity-eval", "report", tmp_path, *options], tmp_path)
    assert compared.returncode == 0, compared.stderr[-3000:]
    assert "there is one run only" in compared.stderr
    assert "<svg" not in (tmp_path / "r.html").read_text(encoding="utf-8")  # figures need the extra `report`
    content = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))
    assert {value["column"] for value in content["published"]} == {
        "short_stories/self_bleu", "small_prompts/self_bleu"
    }  # fmt: skip


def test_judges_and_rubrics_are_found_in_the_wheel_and_score_uses_them(
    environment: Path, judge_checkpoint: Path, tmp_path: Path
) -> None:
    code = (
        "from diversity_eval.judging import load_judge, shipped_judges\n"
        "import diversity_eval.judging.rubric as r\n"
        "assert 'site-packages' in str(r.shipped_folder()), r.shipped_folder()\n"
        "judges = [load_judge(name) for name in shipped_judges()]\n"
        "print(*(judge.signature(next(iter(judge.rubrics))) for judge in judges), sep='\\n')"
    )
    listed = run([environment / "python", "-c", code], tmp_path)
    assert listed.returncode == 0, listed.stderr[-3000:]
    assert len(listed.stdout.splitlines()) >= 4
    assert "judge:meta-llama/Llama-3.1-70B-Instruct" in listed.stdout
    judge = tmp_path / "own.yaml"
    judge.write_text(f"backend: transformers\nmodel: {judge_checkpoint}\ndtype: float32\n", encoding="utf-8")
    rows = [{"id": i, "prompt": f"Question {i}?", "responses": ["a boat", "the old map"]} for i in range(3)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    command = ["score", "rows.jsonl", "--judge", "own.yaml", "--embeddings", "none", "-o", "out", "--json"]
    finished = run([environment / "diversity-eval", *command], tmp_path)
    assert finished.returncode == 0, finished.stderr[-3000:]
    (results_file,) = (tmp_path / "out").glob("*/results_*.json")
    (values,) = json.loads(results_file.read_text(encoding="utf-8"))["results"].values()
    assert 0 <= values["quality,none"] <= 5
    assert values["quality_unscored,none"] == 0
    without = run([environment / "diversity-eval", *command, "--judge-set", "quantization=nf4"], tmp_path)
    assert without.returncode == 1
    assert "diversity-eval[judge]" in without.stderr.splitlines()[-1]


def test_configurations_are_found_in_the_wheel_and_a_missing_extra_is_named(
    environment: Path, tmp_path: Path
) -> None:
    code = (
        "import diversity_eval.training.configurations as c\n"
        "values, path = c.read_configuration('ablation/tofu_gamma5_beta0.6')\n"
        "assert 'site-packages' in str(path), path\n"
        "print(values)"
    )
    listed = run([environment / "python", "-c", code], tmp_path)
    assert listed.returncode == 0, listed.stderr[-3000:]
    assert "'gamma': 5" in listed.stdout
    assert "'learning_rate': 0.0002" in listed.stdout
    command = ["train", "--config", "alpaca/tofu", "--model", "somewhere/model", "-o", "out"]
    refused = run([environment / "diversity-eval", *command], tmp_path)
    assert refused.returncode == 1
    (line,) = refused.stderr.splitlines()
    assert "diversity-eval[train]" in line
    assert "trl" in line
    assert not (tmp_path / "out").exists()


def test_classifiers_and_rewards_are_found_in_the_wheel_and_score_uses_them(
    environment: Path, tmp_path: Path
) -> None:
    """With the extra `hf` alone: the tokenizers of DeBERTa take sentencepiece and protobuf."""
    code = (
        "from diversity_eval.judging.novelty import config as c\n"
        "print(*(c.load_classifier(name).test for name in c.shipped_classifiers()))\n"
        "print(*(c.load_reward(name).model for name in c.shipped_rewards()))"
    )
    listed = run([environment / "python", "-c", code], tmp_path)
    assert listed.returncode == 0, listed.stderr[-3000:]
    assert {"classifier", "exact", "rouge1", "judge", "judge_sets"} <= set(listed.stdout.split())
    assert "Skywork/Skywork-Reward-Gemma-2-27B-v0.2" in listed.stdout
    build_classifier(tmp_path / "classifier")
    build_reward_model(tmp_path / "reward")
    (tmp_path / "c.yaml").write_text("test: classifier\nmodel: classifier\n", encoding="utf-8")
    (tmp_path / "r.yaml").write_text("backend: transformers\nmodel: reward\n", encoding="utf-8")
    rows = [{"id": i, "prompt": f"Question {i}?", "responses": list(SENTENCES[i : i + 3])} for i in range(2)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    command = ["score", "rows.jsonl", "--benchmark", "novelty_bench", "--classifier", "c.yaml"]
    command += ["--reward", "r.yaml", "--embeddings", "none", "-o", "out", "--json"]
    finished = run([environment / "diversity-eval", *command], tmp_path)
    assert finished.returncode == 0, finished.stderr[-3000:]
    (task,) = json.loads(finished.stdout)["tasks"]
    assert 1 <= task["results"]["distinct,none"] <= 3
    assert 0 <= task["results"]["utility,none"] <= 10


def test_include_path_from_a_checkout_wins(
    environment: Path, checkpoint: Path, data_folder: Path, tmp_path: Path
) -> None:
    command = f"lm_eval --tasks short_stories --include_path {ROOT / 'tasks'} --model hf --device cpu".split()
    command += f"--model_args pretrained={checkpoint} --limit 1 --metadata num_samples=2".split()
    command += f"--batch_size 8 --output_path {tmp_path}".split()
    finished = run([environment / command[0], *command[1:]], tmp_path, DIVERSITY_EVAL_DATA=str(data_folder))
    assert finished.returncode == 0, finished.stderr[-3000:]
    (results_file,) = tmp_path.glob("*/results_*.json")
    config = json.loads(results_file.read_text(encoding="utf-8"))["configs"]["short_stories"]
    assert config["metadata"]["config_source"] == str(ROOT / "tasks" / "short_stories" / "short_stories.yaml")


def test_a_user_s_mistake_is_one_line(environment: Path, checkpoint: Path, data_folder: Path) -> None:
    command = (
        f"lm_eval --tasks short_stories --model hf --device cpu --model_args pretrained={checkpoint} "
        "--limit 1 --gen_kwargs temperature=0"
    ).split()
    finished = run([environment / command[0], *command[1:]], checkpoint, DIVERSITY_EVAL_DATA=str(data_folder))
    assert finished.returncode == 1
    assert "Traceback" not in finished.stderr
    assert finished.stderr.splitlines()[-1].startswith("diversity-eval: error: greedy decoding")


def test_doctor_finds_nothing_wrong_and_says_what_is_missing(environment: Path, data_folder: Path) -> None:
    folder = data_folder
    doctor: list[str | Path] = [environment / "diversity-eval", "doctor", "--json"]
    healthy = run([*doctor, "--model", "hf", "--tasks", "short_stories,creative"], folder)
    assert healthy.returncode == 0, healthy.stdout
    report = json.loads(healthy.stdout)
    assert "short_stories" in report["tasks"]
    assert report["versions"]["lm_eval"]
    asked_for_too_much = run([*doctor, "--model", "vllm", "--tasks", "short_storeis"], folder)
    assert asked_for_too_much.returncode == 1
    problems = " ".join(json.loads(asked_for_too_much.stdout)["problems"])
    assert "diversity-eval[vllm]" in problems
    assert "short_storeis" in problems


def test_uninstalling_leaves_nothing_behind(environment: Path, tmp_path: Path) -> None:
    """Last in this file: it takes the package out of the environment that the others use."""
    pip = environment / "pip"
    assert run([pip, "uninstall", "-y", "-q", "diversity-eval"], tmp_path).returncode == 0
    assert not list(environment.parent.glob("lib/*/site-packages/lm_eval/tasks/diversity_eval"))
    assert list(environment.parent.glob("lib/*/site-packages/lm_eval/tasks/arc"))
