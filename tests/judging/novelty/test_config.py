import dataclasses
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from diversity_eval.errors import DiversityEvalError
from diversity_eval.judging.config import load_judge
from diversity_eval.judging.novelty import DEFAULT_CLASSIFIER
from diversity_eval.judging.novelty.config import (
    ClassifierConfig,
    RewardConfig,
    load_classifier,
    load_reward,
    shipped_classifiers,
    shipped_rewards,
)
from diversity_eval.metrics.signature import Signature
from tests.judging.novelty.config_cases import (
    CLASSIFIER,
    JUDGED,
    REWARD,
    SERVED,
    Classifier,
    Reward,
    Write,
    build_model,
)

# Shipped ones


@pytest.mark.parametrize("name", shipped_classifiers())
def test_every_shipped_classifier_loads(name: str) -> None:
    config = load_classifier(name)
    assert (config.name, config.label) == (name, f"classifier {name}")
    json.dumps(config.record())
    if config.judge is not None:
        load_judge(config.judge)
    else:
        Signature("distinct", config.signature_fields())


@pytest.mark.parametrize("name", shipped_rewards())
def test_every_shipped_reward_model_loads(name: str) -> None:
    config = load_reward(name)
    assert (config.name, config.label) == (name, f"reward model {name}")
    assert config.model == "Skywork/Skywork-Reward-Gemma-2-27B-v0.2"
    assert config.signature_fields()["thresholds"] == "novelty-bench"
    assert config.signature_fields()["patience"] == "0.8"
    json.dumps(config.record())


def test_the_shipped_ones_are_those_of_the_protocol() -> None:
    assert set(shipped_classifiers()) == {"novelty-bench", "exact", "rouge1", "judge", "v1.1"}
    assert set(shipped_rewards()) == {"skywork-27b", "skywork-27b-nf4", "skywork-27b-server"}
    own = load_classifier(DEFAULT_CLASSIFIER)
    assert own.test == "classifier"
    assert own.model == "yimingzhang/deberta-v3-large-generation-similarity"
    assert own.tokenizer == "microsoft/deberta-v3-large"
    assert (own.threshold, own.max_tokens, own.same_label) == (0.102, 128, 1)
    assert load_classifier("rouge1").threshold == 0.458
    assert load_classifier("v1.1").test == "judge_sets"
    assert load_reward("skywork-27b-nf4").quantization == "nf4"
    assert load_reward("skywork-27b").dtype == "bfloat16"


@pytest.mark.parametrize("load", [load_classifier, load_reward])
@pytest.mark.parametrize("name", ["xyzzy", "", "no/such.yaml", "a\x00b", "x" * 5_000])
def test_an_unknown_name_is_told_the_shipped_ones(load: Callable[[str], Any], name: str) -> None:
    with pytest.raises(DiversityEvalError, match="nor an existing file") as error:
        load(name)
    assert ("novelty-bench" if load is load_classifier else "skywork-27b") in str(error.value)


def test_a_name_that_is_nearly_right() -> None:
    with pytest.raises(DiversityEvalError, match=r"did you mean novelty-bench\?"):
        load_classifier("novelty_bench")
    with pytest.raises(DiversityEvalError, match=r"did you mean skywork-27b-nf4\?"):
        load_reward("skywork-27b-nf")


# Keys and values

GOOD_CLASSIFIER: list[tuple[dict[str, Any], str, Any, Any]] = [
    (CLASSIFIER, "test", "classifier", "classifier"),
    (CLASSIFIER, "model", " org/other ", "org/other"),
    (CLASSIFIER, "tokenizer", "org/tokenizer", "org/tokenizer"),
    (CLASSIFIER, "revision", 1234567, "1234567"),
    (CLASSIFIER, "dtype", "bfloat16", "bfloat16"),
    (CLASSIFIER, "device", "cuda:1", "cuda:1"),
    (CLASSIFIER, "quantization", "NF4", "nf4"),
    (CLASSIFIER, "quantization", "nf-4", "nf4"),
    (CLASSIFIER, "quantization", "None", "none"),
    (CLASSIFIER, "quantization", None, "none"),
    (CLASSIFIER, "quantization", "awq-int4", "awq-int4"),
    (CLASSIFIER, "threshold", 0, 0.0),
    (CLASSIFIER, "threshold", 1, 1.0),
    (CLASSIFIER, "threshold", "1e-1", 0.1),  # what YAML makes of it
    ({"test": "rouge1"}, "threshold", 0.5, 0.5),
    ({"test": "rouge1"}, "threshold", None, 0.458),
    (CLASSIFIER, "max_tokens", 64, 64),
    (CLASSIFIER, "same_label", 0, 0),
    (CLASSIFIER, "batch_size", "8", 8),
    (JUDGED, "judge", "llama-3.1-70b-nf4", "llama-3.1-70b-nf4"),
    (JUDGED, "judge_set", {"mode": "generate"}, {"mode": "generate"}),
]


@pytest.mark.parametrize(("base", "key", "value", "read"), GOOD_CLASSIFIER)
def test_a_classifier_s_value_that_fits_is_taken(
    classifier: Classifier, base: dict[str, Any], key: str, value: Any, read: Any
) -> None:
    assert getattr(classifier(base, **{key: value}), key) == read


BAD_CLASSIFIER: list[tuple[dict[str, Any], str, Any, str]] = [
    (CLASSIFIER, "test", None, "`test` is missing; one of classifier, exact, rouge1, judge, judge_sets"),
    (CLASSIFIER, "test", "rouge", "expected one of classifier, exact"),
    (CLASSIFIER, "test", ["exact"], "expected one of"),
    (CLASSIFIER, "model", None, "`model` is missing, which test: classifier needs"),
    (CLASSIFIER, "model", 5, "has to be a text"),
    (CLASSIFIER, "tokenizer", "", "has to be a text"),
    (CLASSIFIER, "revision", 1.5, "has to be a text"),
    (CLASSIFIER, "dtype", 16, "has to be a text"),
    (CLASSIFIER, "device", 0, "has to be a text"),
    (CLASSIFIER, "quantization", "4bit", "write nf4 to have the weights quantised here"),
    (CLASSIFIER, "quantization", {"bits": 4}, "has to be a text"),
    (CLASSIFIER, "threshold", -0.1, "from 0 to 1"),
    (CLASSIFIER, "threshold", 1.01, "from 0 to 1"),
    (CLASSIFIER, "threshold", "high", "has to be a number"),
    (CLASSIFIER, "threshold", float("nan"), "has to be a number"),
    (CLASSIFIER, "threshold", float("inf"), "has to be a number"),
    (CLASSIFIER, "threshold", 10**400, "has to be a number"),
    (CLASSIFIER, "threshold", True, "has to be a number"),
    (CLASSIFIER, "threshold", [0.1], "has to be a number"),
    ({"test": "rouge1"}, "threshold", 45.8, "from 0 to 1"),
    (CLASSIFIER, "max_tokens", 0, "a whole number from 1"),
    (CLASSIFIER, "same_label", -1, "a whole number from 0"),
    (CLASSIFIER, "same_label", True, "a whole number from 0"),
    (CLASSIFIER, "same_label", "same", "a whole number from 0"),
    (CLASSIFIER, "batch_size", 0, "a whole number from 1"),
    (JUDGED, "judge", None, "`judge` is missing, which test: judge needs"),
    ({"test": "judge_sets"}, "judge", None, "`judge` is missing, which test: judge_sets needs"),
    (JUDGED, "judge", 5, "has to be a text"),
    (JUDGED, "judge_set", ["a"], "has to be a mapping"),
]


@pytest.mark.parametrize(("base", "key", "value", "said"), BAD_CLASSIFIER)
def test_a_classifier_s_value_that_does_not_fit_is_named(
    classifier: Classifier, base: dict[str, Any], key: str, value: Any, said: str
) -> None:
    with pytest.raises(DiversityEvalError, match=re.escape(said)) as error:
        classifier(base, **{key: value})
    assert "classifier own.yaml" in str(error.value)
    assert f"`{key}`" in str(error.value)


def test_every_key_is_in_the_tables() -> None:
    for table, config in (
        (GOOD_CLASSIFIER, ClassifierConfig),
        (BAD_CLASSIFIER, ClassifierConfig),
        (GOOD_REWARD, RewardConfig),
        (BAD_REWARD, RewardConfig),
    ):
        keys = {field.name for field in dataclasses.fields(config)} - {"name"}
        assert {key for _, key, _, _ in table} == keys


GOOD_REWARD: list[tuple[dict[str, Any], str, Any, Any]] = [
    (REWARD, "backend", "transformers", "transformers"),
    (SERVED, "backend", "server", "server"),
    (REWARD, "model", "org/other", "org/other"),
    (REWARD, "thresholds", [-1, 0, 2.5], (-1.0, 0.0, 2.5)),
    (REWARD, "tokenizer", "org/tokenizer", "org/tokenizer"),
    (REWARD, "revision", 1234567, "1234567"),
    (REWARD, "dtype", "float16", "float16"),
    (REWARD, "device", "cpu", "cpu"),
    (REWARD, "quantization", "Nf4", "nf4"),
    (SERVED, "quantization", "4bit", "4bit"),  # a server's own word
    (REWARD, "batch_size", 2, 2),
    (REWARD, "max_length", 4096, 4096),
    (SERVED, "base_url", ["http://a:1/", "http://b:2/v1"], ("http://a:1", "http://b:2/v1")),
    (SERVED, "api_key_env", "MY_KEY", "MY_KEY"),
    (SERVED, "concurrency", 4, 4),
    (SERVED, "timeout", 5, 5.0),
    (SERVED, "retries", 1, 1),
    (SERVED, "request", {"priority": 1}, {"priority": 1}),
]


@pytest.mark.parametrize(("base", "key", "value", "read"), GOOD_REWARD)
def test_a_reward_model_s_value_that_fits_is_taken(
    reward: Reward, base: dict[str, Any], key: str, value: Any, read: Any
) -> None:
    assert getattr(reward(base, **{key: value}), key) == read


BAD_REWARD: list[tuple[dict[str, Any], str, Any, str]] = [
    (REWARD, "backend", None, "`backend` is missing"),
    (REWARD, "backend", "vllm", "expected one of transformers, server"),
    (REWARD, "model", None, "`model` is missing"),
    (REWARD, "model", " ", "has to be a text"),
    (REWARD, "thresholds", [], "a list of increasing numbers"),
    (REWARD, "thresholds", [0, 0], "a list of increasing numbers"),
    (REWARD, "thresholds", [1, 0], "a list of increasing numbers"),
    (REWARD, "thresholds", -5, "a list of increasing numbers"),
    (REWARD, "thresholds", "1,2", "a list of increasing numbers"),
    (REWARD, "thresholds", [0, "x"], "has to be a number"),
    (REWARD, "thresholds", [0, float("nan")], "has to be a number"),
    (REWARD, "tokenizer", 5, "has to be a text"),
    (REWARD, "revision", True, "has to be a text"),
    (REWARD, "dtype", 16, "has to be a text"),
    (REWARD, "device", 0, "has to be a text"),
    (REWARD, "quantization", "int8", "write nf4"),
    (REWARD, "batch_size", 0, "a whole number from 1"),
    (REWARD, "max_length", 0, "a whole number from 1"),
    (SERVED, "base_url", None, "`base_url` is missing"),
    (SERVED, "base_url", "host:8000", "begin with http:// or https://"),
    (REWARD, "base_url", "http://a:1", "`base_url` belongs to the backend `server`, not transformers"),
    (SERVED, "api_key_env", "sk-not-a-variable", "the name of an environment variable"),
    (SERVED, "concurrency", 0, "a whole number from 1"),
    (SERVED, "timeout", 0, "a number of seconds above 0"),
    (SERVED, "retries", 0, "a whole number from 1"),
    (SERVED, "request", "a=b", "has to be a mapping"),
]


@pytest.mark.parametrize(("base", "key", "value", "said"), BAD_REWARD)
def test_a_reward_model_s_value_that_does_not_fit_is_named(
    reward: Reward, base: dict[str, Any], key: str, value: Any, said: str
) -> None:
    with pytest.raises(DiversityEvalError, match=re.escape(said)) as error:
        reward(base, **{key: value})
    assert "reward model own.yaml" in str(error.value)
    assert f"`{key}`" in str(error.value)


@pytest.mark.parametrize(
    ("base", "more", "key"),
    [
        ({"test": "exact"}, {"threshold": 0.5}, "threshold"),
        ({"test": "exact"}, {"model": "org/pairs"}, "model"),
        ({"test": "rouge1"}, {"max_tokens": 128}, "max_tokens"),
        ({"test": "rouge1"}, {"judge": "small-local"}, "judge"),
        (CLASSIFIER, {"judge": "small-local"}, "judge"),
        (CLASSIFIER, {"judge_set": {"mode": "rate"}}, "judge_set"),
        (JUDGED, {"model": "org/pairs"}, "model"),
        (JUDGED, {"threshold": 0.5}, "threshold"),
        ({"test": "judge_sets", "judge": "small-local"}, {"batch_size": 4}, "batch_size"),
    ],
)
def test_a_key_of_another_test_is_refused(
    classifier: Classifier, base: dict[str, Any], more: dict[str, Any], key: str
) -> None:
    with pytest.raises(DiversityEvalError, match=f"`{key}` means nothing to test: {base['test']}; leave it"):
        classifier(base, **more)


@pytest.mark.parametrize(("key", "near"), [("treshold", "threshold"), ("name", ""), ("zzz", "")])
def test_an_unknown_key_is_refused(classifier: Classifier, reward: Reward, key: str, near: str) -> None:
    for load, base in ((classifier, CLASSIFIER), (reward, REWARD)):
        with pytest.raises(DiversityEvalError, match=rf"own\.yaml: unknown key '{key}'") as error:
            load(base, **{key: 1})
        if near:
            assert f"did you mean {near}" in str(error.value)


@pytest.mark.parametrize("key", ["api_key", "API_KEY", "token", "password", "hf_token"])
def test_no_secret_may_stand_in_the_yaml(
    classifier: Classifier, reward: Reward, write: Write, key: str
) -> None:
    for attempt in (
        lambda: classifier(CLASSIFIER, **{key: "sk-secret"}),
        lambda: reward(SERVED, **{key: "sk-secret"}),
        lambda: load_reward(write(SERVED), {key: "sk-secret"}),
        lambda: reward(SERVED, api_key_env="sk-secret"),
    ):
        with pytest.raises(DiversityEvalError) as error:
            attempt()
        assert "secret" not in str(error.value)


def test_changes_replace_keys_of_the_yaml(write: Write) -> None:
    path = write({**CLASSIFIER, "threshold": 0.3})
    assert load_classifier(path, {"threshold": 0.5, "quantisation": "nf4"}).threshold == 0.5
    assert load_classifier(path, {"quantisation": "NF4"}).quantization == "nf4"
    assert load_classifier(path, {"threshold": None}).threshold == 0.102
    with pytest.raises(DiversityEvalError, match=r"did you mean threshold\?"):
        load_classifier(path, {"threshol": 1})
    server = load_reward("skywork-27b-server", {"base_url": "http://elsewhere:1"})
    assert server.base_url == ("http://elsewhere:1",)
    mine = load_classifier("judge", {"judge": "mine.yaml", "judge_set": {"mode": "rate"}})
    assert (mine.judge, mine.judge_set) == ("mine.yaml", {"mode": "rate"})


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"exact",
        b"- test\n",
        b"test: [",
        b"test: \xff",
        b"revision: 2024-13-45\n",
        b"test: " + b"[" * 5_000,
    ],
)
def test_a_file_that_is_none_is_refused_with_its_name(write: Write, content: bytes) -> None:
    for load in (load_classifier, load_reward):
        with pytest.raises(DiversityEvalError, match=r"broken\.yaml") as error:
            load(write(content, "broken.yaml"))
        assert "\n" not in str(error.value)


# Files beside the YAML


def test_checkpoints_beside_the_yaml_are_found_from_anywhere(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "mine"
    model, tokenizer = build_model(folder / "pairs"), build_model(folder / "tok")
    one = write({**CLASSIFIER, "model": "pairs", "tokenizer": "tok"}, "c.yaml", folder)
    two = write({**REWARD, "model": "pairs", "tokenizer": "tok"}, "r.yaml", folder)
    served = write({**SERVED, "model": "pairs"}, "s.yaml", folder)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    for config in (load_classifier(one), load_reward(two)):
        assert (config.model, config.tokenizer) == (str(model), str(tokenizer))
    assert load_reward(served).model == "pairs"  # the server's name for it
    (model / "config.json").unlink()
    assert load_classifier(one).model == "pairs"


def test_a_judge_beside_the_yaml_is_found_from_anywhere(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "mine"
    judge = write({"backend": "transformers", "model": "org/judge"}, "strict.yaml", folder)
    write({"backend": "transformers", "model": "org/judge"}, "small-local", folder)
    path = write({**JUDGED, "judge": "strict.yaml"}, "c.yaml", folder)
    shipped = write(JUDGED, "d.yaml", folder)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert load_classifier(path).judge == judge
    assert load_classifier(shipped).judge == "small-local"
    assert load_classifier(path, {"judge": "other.yaml"}).judge == "other.yaml"
    assert load_classifier(write({**JUDGED, "judge": "no-such.yaml"})).judge == "no-such.yaml"
    # As for checkpoints, one in the working folder goes first.
    (elsewhere / "strict.yaml").write_text("")
    assert load_classifier(path).judge == "strict.yaml"


def test_what_can_be_no_checkpoint_is_refused(classifier: Classifier, reward: Reward) -> None:
    for load, base in ((classifier, CLASSIFIER), (reward, REWARD)):
        with pytest.raises(DiversityEvalError, match="neither a Hub id nor a folder"):
            load(base, model="x" * 5_000)
