from itertools import product
from types import SimpleNamespace
from typing import Any

import pytest

from diversity_eval.errors import DiversityEvalError
from diversity_eval.harness.options import TaskOptions
from diversity_eval.harness.sampling import (
    SamplingPlan,
    check_generation,
    derive_seed,
    normalise_generation,
    plan_sampling,
)

PLAN = SamplingPlan(num_samples=10, seeding="repeats", seed=0)
GENERATION = {
    "do_sample": True,
    "temperature": 1.0,
    "top_p": 0.9,
    "top_k": 0,
    "max_gen_toks": 64,
    "until": [],
}


def model(kind: str, data_parallel_size: int = 1) -> Any:
    return SimpleNamespace(
        kind=kind, is_server=kind in ("completions", "chat"), data_parallel_size=data_parallel_size
    )


@pytest.mark.parametrize(
    ("kind", "replicas", "options", "seeding"),
    [
        ("hf", 1, {}, "repeats"),
        ("hf", 1, {"sample_seed": 3}, "repeats"),
        ("vllm", 1, {}, "repeats"),
        ("vllm", 2, {}, "per_request"),
        ("vllm", 1, {"sample_seed": 3}, "per_request"),
        ("vllm", 1, {"sample_seeds": "always"}, "per_request"),
        ("vllm", 2, {"sample_seeds": "never"}, "repeats"),
        ("completions", 1, {}, "per_sample"),
        ("chat", 1, {"sample_seeds": "always"}, "per_sample"),
        ("completions", 1, {"sample_seeds": "never"}, "repeats"),
        ("other", 1, {}, "repeats"),
    ],
)
def test_how_each_backend_is_asked(kind: str, replicas: int, options: dict[str, Any], seeding: str) -> None:
    plan = plan_sampling(TaskOptions(**options), repeats=10, seed=1234, model=model(kind, replicas))
    assert plan.seeding == seeding
    assert plan.num_samples == 10


def test_hf_refuses_a_seed_per_request() -> None:
    with pytest.raises(DiversityEvalError, match="hf takes no seed"):
        plan_sampling(TaskOptions(sample_seeds="always"), repeats=10, seed=0, model=model("hf"))


def test_one_sample_is_refused_wherever_it_comes_from() -> None:
    with pytest.raises(DiversityEvalError, match="repeats=1"):
        plan_sampling(TaskOptions(), repeats=1, seed=0, model=model("hf"))


def test_seeds_per_sample_are_shared_by_documents_and_differ_between_samples() -> None:
    plan = SamplingPlan(num_samples=64, seeding="per_sample", seed=7)
    seeds = [plan.request_seed(0, sample) for sample in range(64)]
    assert seeds == [plan.request_seed(99, sample) for sample in range(64)]
    assert len(set(seeds)) == 64


def test_seeds_per_request_differ_between_documents_too() -> None:
    plan = SamplingPlan(num_samples=10, seeding="per_request", seed=7)
    seeds = {plan.request_seed(document, sample) for document, sample in product(range(100), range(10))}
    assert len(seeds) == 1000


def test_runs_with_neighbouring_seeds_share_no_sample() -> None:
    first, second = (
        {SamplingPlan(16, "per_sample", seed).request_seed(0, sample) for sample in range(16)}
        for seed in (7, 8)
    )
    assert not first & second


def test_seeds_fit_every_backend() -> None:
    # 31 bits, not negative: OpenAI's field, vLLM's and NumPy's all take that.
    assert all(0 <= derive_seed(i, j) < 2**31 for i, j in product(range(50), range(50)))


def test_an_alias_of_the_user_wins_over_the_yaml() -> None:
    # lm-eval itself would take max_gen_toks, the YAML's name, and ignore the user's.
    for alias in ("max_new_tokens", "max_tokens", "max_completion_tokens"):
        assert normalise_generation({**GENERATION, alias: "256"})["max_gen_toks"] == 256


def test_normalising_changes_no_argument_and_reads_numbers() -> None:
    given = {**GENERATION, "temperature": "0.7", "top_k": -1, "until": "END"}
    result = normalise_generation(given)
    assert (result["temperature"], result["top_k"], result["until"]) == (0.7, 0, ["END"])
    assert given["until"] == "END"


def test_transformers_way_to_say_off() -> None:
    given = {**GENERATION, "min_p": None, "repetition_penalty": "None", "top_k": None}
    result = normalise_generation(given)
    assert (result["min_p"], result["repetition_penalty"], result["top_k"]) == (0.0, 1.0, 0)


@pytest.mark.parametrize(("name", "value"), [("top_k", 0.5), ("max_gen_toks", "many"), ("min_p", "low")])
def test_a_number_that_is_none_is_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(DiversityEvalError, match=name):
        normalise_generation({**GENERATION, name: value})


@pytest.mark.parametrize("name", ["seed", "n", "best_of", "num_return_sequences"])
def test_settings_that_break_independent_samples_are_refused(name: str) -> None:
    with pytest.raises(DiversityEvalError, match=name):
        normalise_generation({**GENERATION, name: 5})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"temperature": 0.0}, "greedy"),
        ({"do_sample": False}, "greedy"),
        ({"do_sample": "False"}, "greedy"),
        ({"temperature": -1.0}, "temperature"),
        ({"top_p": 0.0}, "top_p"),
        ({"top_p": 1.5}, "top_p"),
        ({"top_k": -2}, "top_k"),
        ({"max_gen_toks": 0}, "max_gen_toks"),
    ],
)
def test_refused_before_anything_is_generated(change: dict[str, Any], message: str) -> None:
    with pytest.raises(DiversityEvalError, match=message):
        check_generation({**GENERATION, **change}, PLAN)


def test_the_protocol_itself_passes() -> None:
    check_generation(GENERATION, PLAN)


def test_a_task_with_one_right_answer_takes_one_response(caplog: pytest.LogCaptureFixture) -> None:
    plan = plan_sampling(TaskOptions(), repeats=1, seed=0, model=model("hf"), single=True)
    assert (plan.num_samples, plan.seeding) == (1, "repeats")
    with caplog.at_level("WARNING", logger="lm_eval"):
        options = TaskOptions(num_samples=10)
        plan = plan_sampling(options, repeats=1, seed=0, model=model("hf"), single=True, task="t")
    assert plan.num_samples == 1
    assert "t: num_samples has no effect" in caplog.text
    with pytest.raises(DiversityEvalError, match="diversity needs at least 2"):
        plan_sampling(TaskOptions(), repeats=1, seed=0, model=model("hf"))


def test_a_value_at_k_needs_k_samples() -> None:
    with pytest.raises(
        DiversityEvalError, match=r"^t: values at k = 16 .* but num_samples is 10; .* or pass_at=10 or less"
    ):
        plan_sampling(TaskOptions(), repeats=10, seed=0, model=model("hf"), largest_k=16, task="t")
    assert plan_sampling(TaskOptions(num_samples=16), repeats=10, seed=0, model=model("hf"), largest_k=16)
