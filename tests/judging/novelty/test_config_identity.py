"""What tells one classifier or reward model from another (signatures), and what is recorded about it."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.judging.novelty.config_cases import (
    CLASSIFIER,
    JUDGED,
    REWARD,
    SERVED,
    Classifier,
    Reward,
    build_model,
)


def test_the_fields_of_a_classifier(classifier: Classifier) -> None:
    config = classifier(CLASSIFIER, tokenizer="org/tok", revision="abc", max_tokens=64, quantization="nf4")
    assert config.model_fields() == {
        "test": "classifier",
        "classifier": "org/pairs",
        "classifier_tokenizer": "org/tok",
        "classifier_revision": "abc",
        "classifier_dtype": "float32",
        "classifier_quantization": "nf4",
        "response_tokens": "64",
        "same_label": "1",
    }
    assert config.signature_fields() == {**config.model_fields(), "threshold": "0.102"}
    assert classifier(CLASSIFIER).model_fields()["classifier_revision"] == "unstated"
    assert classifier({"test": "exact"}).signature_fields() == {"test": "exact"}
    assert classifier({"test": "rouge1"}).signature_fields() == {"test": "rouge1", "threshold": "0.458"}


@pytest.mark.parametrize(
    ("change", "counts"),
    [
        ({"model": "org/other"}, True),
        ({"tokenizer": "org/tok"}, True),
        ({"revision": "abc"}, True),
        ({"dtype": "bfloat16"}, True),
        ({"quantization": "nf4"}, True),
        ({"max_tokens": 127}, True),
        ({"same_label": 0}, True),
        ({"device": "cuda:1"}, False),
        ({"batch_size": 1}, False),
        ({"quantization": "NONE"}, False),
    ],
)
def test_what_a_probability_depends_on(classifier: Classifier, change: dict[str, Any], counts: bool) -> None:
    before, after = classifier(CLASSIFIER), classifier(CLASSIFIER, **change)
    assert (before.model_fields() != after.model_fields()) == counts
    assert (before.signature_fields() != after.signature_fields()) == counts


def test_the_threshold_is_in_the_signature_but_not_in_what_a_probability_depends_on(
    classifier: Classifier,
) -> None:
    thresholds = (0.102, 0.1020000001, 0.103, 0, 1, 0.5)
    configs = [classifier(CLASSIFIER, threshold=threshold) for threshold in thresholds]
    assert all(config.model_fields() == configs[0].model_fields() for config in configs)
    assert len({config.signature_fields()["threshold"] for config in configs}) == len(thresholds)


def test_the_fields_of_a_reward_model(reward: Reward) -> None:
    config = reward(REWARD, revision="abc", quantization="nf4", dtype="bfloat16", tokenizer="org/tok")
    assert config.model_fields() == {
        "reward": "org/reward",
        "reward_revision": "abc",
        "reward_quantization": "nf4",
        "reward_dtype": "bfloat16",
        "reward_tokenizer": "org/tok",
    }
    own = {"thresholds": "novelty-bench", "patience": "0.8"}
    assert config.signature_fields() == {**config.model_fields(), **own}
    # A server has its own chat template, unless it gets token ids.
    assert reward(SERVED).model_fields() == {**reward(REWARD).model_fields(), "reward_chat": "server"}
    assert (
        reward(SERVED, tokenizer="org/tok").model_fields()
        == reward(REWARD, tokenizer="org/tok").model_fields()
    )


@pytest.mark.parametrize(
    ("base", "change", "model", "signature"),
    [
        (REWARD, {"model": "org/other"}, True, True),
        (REWARD, {"revision": "abc"}, True, True),
        (REWARD, {"quantization": "nf4"}, True, True),
        (REWARD, {"dtype": "float16"}, True, True),
        (REWARD, {"tokenizer": "org/tok"}, True, True),
        (SERVED, {"request": {"truncate_prompt_tokens": 5}}, True, True),
        (REWARD, {"thresholds": [0, 1]}, False, True),
        (REWARD, {"device": "cpu"}, False, False),
        (REWARD, {"batch_size": 1}, False, False),
        (REWARD, {"max_length": 4096}, False, False),  # longer ones get no reward, they are not cut
        (SERVED, {"base_url": "http://elsewhere:1"}, False, False),
        (SERVED, {"concurrency": 1, "timeout": 1, "retries": 1, "api_key_env": "OTHER"}, False, False),
    ],
)
def test_what_a_reward_and_a_score_depend_on(
    reward: Reward, base: dict[str, Any], change: dict[str, Any], model: bool, signature: bool
) -> None:
    before, after = reward(base), reward(base, **change)
    assert (before.model_fields() != after.model_fields()) == model
    assert (before.signature_fields() != after.signature_fields()) == signature


def test_a_local_checkpoint_is_known_by_name_and_content(
    classifier: Classifier, reward: Reward, tmp_path: Path
) -> None:
    one, same, other = (
        build_model(tmp_path / place / "tiny", weights)
        for place, weights in (("a", b"w" * 10), ("b", b"w" * 10), ("c", b"w" * 9 + b"x"))
    )
    for load, base, key in ((classifier, CLASSIFIER, "classifier"), (reward, REWARD, "reward")):
        fields = [
            load(base, model=str(model), tokenizer=str(model), revision="main").model_fields()
            for model in (one, same, other)
        ]
        assert fields[0] == fields[1]
        assert [entry[key] for entry in fields] == ["tiny"] * 3
        assert fields[0][f"{key}_revision"].startswith("local-")
        assert fields[0][f"{key}_revision"] != fields[2][f"{key}_revision"]
        assert fields[0][f"{key}_tokenizer"] != fields[2][f"{key}_tokenizer"]
        assert str(tmp_path) not in json.dumps(fields)


def test_a_folder_called_like_a_served_model_is_not_that_model(
    reward: Reward, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = reward(SERVED).model_fields()
    build_model(tmp_path / "org" / "reward")
    monkeypatch.chdir(tmp_path)
    assert reward(SERVED).model_fields() == before


def test_records_hold_what_was_set_and_no_secret(classifier: Classifier, reward: Reward) -> None:
    served = reward(
        SERVED,
        base_url="https://user:secret-1@host:8443/v1?key=secret-2",
        request={"extra_headers": {"Authorization": "secret-3"}, "priority": 1},
    ).record()
    assert "secret" not in json.dumps(served)
    assert served["base_url"] == ["https://host:8443/v1"]
    assert served["request"] == ["extra_headers", "priority"]
    judged = classifier(JUDGED, judge_set={"request": {"key": "secret-4"}}).record()
    assert judged == {"name": "own", "test": "judge", "judge": "small-local"}
    assert classifier({"test": "exact"}).record() == {"name": "own", "test": "exact"}
    assert classifier({"test": "rouge1"}).record() == {"name": "own", "test": "rouge1", "threshold": 0.458}
    record = classifier(CLASSIFIER).record()
    assert (record["model"], record["threshold"], record["max_tokens"]) == ("org/pairs", 0.102, 128)
    assert not {"judge", "tokenizer", "revision"} & set(record)
