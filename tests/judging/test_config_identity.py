"""What tells one judge from another (signatures), and what a results file says about it (records)."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from diversity_eval.errors import DiversityEvalError
from diversity_eval.judging.config import JudgeConfig, load_judge, without_credentials
from diversity_eval.judging.rubric import load_rubric
from diversity_eval.judging.store import verdict_key
from diversity_eval.metrics.signature import Signature

LOCAL = {"backend": "transformers", "model": "org/judge"}
SERVER = {"backend": "server", "model": "org/judge", "base_url": "http://127.0.0.1:8000/v1"}

Write = Callable[..., str]
Load = Callable[..., JudgeConfig]


def build_model(folder: Path, weights: bytes = b"w" * 10) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(weights)
    return folder


OWN = LOCAL | {"scale": [0, 1], "rubric": "own.jinja"}  # asks for no form of reply, so it fits both
CHANGES_THE_SIGNATURE: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (LOCAL, {"model": "org/other"}),
    (LOCAL, {"revision": "0e9f3ce"}),
    (LOCAL, {"quantization": "nf4"}),
    (LOCAL, {"mode": "generate"}),
    (LOCAL, {"scale": [0, 10]}),
    (LOCAL, {"scale": [1, 5]}),
    (LOCAL, {"rubric": "story"}),
    (OWN, OWN | {"words": ["no", "yes"]}),
    (OWN | {"words": ["no", "yes"]}, {"words": ["safe", "unsafe"]}),
    (OWN | {"words": ["no", "yes"]}, {"words": ["yes", "no"]}),
    (LOCAL, {"dtype": "float32"}),
    (LOCAL | {"mode": "generate"}, {"max_tokens": 64}),
    (SERVER, {"request": {"extra_body": {"a": 1}}}),
    (SERVER | {"request": {"a": 1}}, {"request": {"a": 2}}),
    (SERVER, {"api": "completions"}),
    (SERVER | {"api": "completions"}, {"tokenizer": "org/judge"}),
    (LOCAL | {"backend": "vllm"}, {"engine": {"hf_overrides": {"rope_theta": 1e4}}}),
]
LEAVES_THE_SIGNATURE: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (SERVER, {"base_url": "https://elsewhere/v1"}),
    (SERVER, {"base_url": ["http://a/v1", "http://b/v1"]}),
    (SERVER, {"base_url": "http://user:password@127.0.0.1:8000/v1"}),
    (SERVER, {"concurrency": 3}),
    (SERVER, {"timeout": 3}),
    (SERVER, {"retries": 3}),
    (SERVER, {"api_key_env": "OTHER"}),
    (SERVER, {"request": {}}),
    (LOCAL, {"backend": "vllm"}),
    (LOCAL, {"backend": "server", "base_url": "http://a/v1"}),
    (LOCAL, {"device": "cpu"}),
    (LOCAL, {"engine": {"tensor_parallel_size": 2}}),
    (LOCAL, {"engine": {"gpu_memory_utilization": 0.5, "enforce_eager": True}}),
    (LOCAL, {"max_length": 4096}),
    (LOCAL, {"max_tokens": 64}),  # `rate` mode writes no reply
    (LOCAL, {"quantization": "none"}),
    (LOCAL, {"dtype": "auto"}),
    (SERVER | {"request": {"a": 1, "b": 2}}, {"request": {"b": 2, "a": 1}}),
]


@pytest.mark.parametrize(("base", "change"), CHANGES_THE_SIGNATURE)
def test_what_a_rating_depends_on_changes_the_signature(
    load: Load, base: dict[str, Any], change: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "own.jinja").write_text("{{ response }}")
    assert load(base, **change).signature("instruction") != load(base).signature("instruction")


@pytest.mark.parametrize(("base", "change"), LEAVES_THE_SIGNATURE)
def test_where_and_how_the_judge_runs_does_not(
    load: Load, base: dict[str, Any], change: dict[str, Any]
) -> None:
    assert load(base, **change).signature("instruction") == load(base).signature("instruction")


def test_the_place_and_name_of_the_yaml_do_not_matter(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    signatures = {load_judge(write(LOCAL)).signature("story")}
    signatures.add(load_judge(write(LOCAL, "other.yaml", tmp_path / "folder")).signature("story"))
    monkeypatch.chdir(tmp_path / "folder")
    signatures.add(load_judge("other.yaml").signature("story"))
    assert len(signatures) == 1


def test_the_fields_of_a_signature(load: Load) -> None:
    config = load(LOCAL, revision="abc", quantization="nf4", mode="generate", max_tokens=16)
    assert config.signature_fields("story") == {
        "judge": "org/judge",
        "judge_revision": "abc",
        "judge_quantization": "nf4",
        "judge_mode": "generate",
        "judge_max_tokens": "16",
        "rubric": load_rubric("story").label,
        "scale": "0-5",
    }
    assert load(LOCAL).signature_fields("story")["judge_revision"] == "unstated"
    assert Signature.parse(config.signature("story")).metric == "judge"


PUBLISHED = [
    (
        LOCAL,
        "judge|judge:org/judge|judge_mode:rate|judge_quantization:none|judge_revision:unstated|"
        "rubric:story@598df94e0930|scale:0-5",
        "679df177a5397986a61aa6058d07e6b9ea99cc323e375acfc20762b7893171cb",
    ),
    (
        LOCAL
        | {"mode": "generate", "quantization": "nf4", "dtype": "float32", "revision": "abc", "scale": [0, 1]},
        "judge|judge:org/judge|judge_dtype:float32|judge_max_tokens:32|judge_mode:generate|"
        "judge_quantization:nf4|judge_revision:abc|rubric:story@598df94e0930|scale:0-1",
        "9e49a808912e536616194a610278a62d73cc7c37fedee613a4c49de2cb53aa52",
    ),
    (
        SERVER | {"mode": "generate", "api": "completions", "tokenizer": "org/t", "request": {"top_p": 1}},
        "judge|judge:org/judge|judge_api:completions|judge_max_tokens:32|judge_mode:generate|"
        "judge_quantization:none|judge_request:04b947737c74|judge_revision:unstated|judge_tokenizer:org/t|"
        "rubric:story@598df94e0930|scale:0-5",
        "4642a4f29d0c3c1fdccef9cf1844ece6e1054240a4213e8570aac41b4590a30e",
    ),
    (
        LOCAL | {"backend": "vllm", "scale": [1, 9], "engine": {"hf_overrides": {"a": 1}}},
        "judge|judge:org/judge|judge_engine:242f8af00e6c|judge_mode:rate|judge_quantization:none|"
        "judge_revision:unstated|rubric:story@598df94e0930|scale:1-9",
        "055714fc8e0455c594853a039fb7e5fb6c730c09c6f1a8c5544a764f6471450d",
    ),
]


@pytest.mark.parametrize(("settings", "signature", "key"), PUBLISHED)
def test_stores_of_judges_without_words_stay_valid(
    load: Load, settings: dict[str, Any], signature: str, key: str
) -> None:
    """What was written before judges could answer with words."""
    config = load(settings)
    assert config.signature("story") == signature
    shown = config.rubric("story").render(
        "It rained.", "A boat <b>.", lowest=config.lowest, highest=config.highest, words=config.words
    )
    assert verdict_key(signature, shown) == key
    assert "words" not in config.record()


def test_words_are_in_signature_and_record(load: Load) -> None:
    config = load(LOCAL, scale=[0, 1], words=["no", "yes"])
    fields = config.signature_fields("harm")
    assert (fields["judge_words"], fields["scale"]) == ("no/yes", "0-1")
    assert Signature.parse(config.signature("harm")).as_dict() == fields
    assert json.loads(json.dumps(config.record()))["words"] == ["no", "yes"]


def test_a_nested_request_may_have_any_keys(load: Load) -> None:
    assert load(SERVER, request={"extra_body": {1: "a", "b": 2}}).signature("story")


# Local checkpoints


def test_a_local_checkpoint_is_known_by_name_and_content(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = build_model(tmp_path / "one" / "tiny")
    same = build_model(tmp_path / "two" / "tiny")
    other = build_model(tmp_path / "three" / "tiny", weights=b"w" * 9 + b"x")
    fields = [load(LOCAL, model=str(model)).signature_fields("story") for model in (first, same, other)]
    assert fields[0] == fields[1]
    assert fields[0]["judge"] == "tiny"
    assert fields[0]["judge_revision"].startswith("local-")
    assert fields[2]["judge"] == "tiny"
    assert fields[2]["judge_revision"] != fields[0]["judge_revision"]
    assert load(LOCAL, model=f"{first}/").signature_fields("story") == fields[0]
    monkeypatch.chdir(first)
    assert load(LOCAL, model=".").signature_fields("story") == fields[0]


def test_the_digest_sees_both_ends_and_the_length_of_large_files(load: Load, tmp_path: Path) -> None:
    size = (2 << 20) + 1000
    plain = bytes(size)
    digests = set()
    for index, weights in enumerate((
        plain,
        b"x" + plain[1:],
        plain[:-1] + b"x",
        plain[:1_050_000] + b"x" + plain[1_050_001:],
        plain + b"\0",
        plain[: 2 << 20],
    )):  # fmt: skip
        model = build_model(tmp_path / str(index) / "tiny", weights=weights)
        digests.add(load(LOCAL, model=str(model)).signature_fields("story")["judge_revision"])
    # All differ but the one that was changed in its middle: that is the price of not reading 140 GB.
    assert len(digests) >= 5


def test_only_what_makes_the_model_counts(load: Load, tmp_path: Path) -> None:
    model = build_model(tmp_path / "tiny")
    before = load(LOCAL, model=str(model)).signature("story")
    (model / "README.md").write_text("about")
    (model / "logs").mkdir()
    (model / "logs" / "x.json").write_text("{}")
    os.utime(model / "config.json", (0, 0))
    assert load(LOCAL, model=str(model)).signature("story") == before
    (model / "chat_template.jinja").write_text("{{ messages }}")
    assert load(LOCAL, model=str(model)).signature("story") != before


def test_a_checkpoint_beside_the_yaml_is_found_from_anywhere(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = build_model(tmp_path / "judges" / "tiny")
    path = write({**LOCAL, "model": "tiny"}, folder=tmp_path / "judges")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert Path(load_judge(path).model) == model
    # Not a checkpoint: a Hub id of that name.
    (model / "config.json").unlink()
    assert load_judge(path).model == "tiny"


# Records


def test_the_record_holds_no_secret(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-1")
    config = load(
        SERVER,
        base_url=["https://user:secret-2@host:8443/v1?key=secret-3#secret-4", "http://10.0.0.1/v1"],
        request={"extra_headers": {"Authorization": "Bearer secret-5"}, "seed": 7},
        api_key_env="OPENAI_API_KEY",
    )
    record = config.record()
    text = json.dumps(record)
    assert "secret" not in text
    assert record["base_url"] == ["https://host:8443/v1", "http://10.0.0.1/v1"]
    assert record["request"] == ["extra_headers", "seed"]
    assert record["api_key_env"] == "OPENAI_API_KEY"
    assert record["rubric"] == {kind: load_rubric(kind).label for kind in ("story", "instruction", "harm")}
    assert (record["name"], record["backend"], record["model"]) == ("own", "server", "org/judge")
    assert "secret" not in config.signature("story")


def test_the_record_leaves_out_what_is_not_set(load: Load) -> None:
    record = load(LOCAL).record()
    assert not {"revision", "base_url", "request", "engine", "tokenizer", "max_length"} & set(record)
    assert record["scale"] == (0, 5)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://host/v1", "http://host/v1"),
        ("http://host:80/v1", "http://host:80/v1"),
        ("https://me:pass@host:1/v1", "https://host:1/v1"),
        ("https://token@host/v1", "https://host/v1"),
        ("https://a:b@c@host/v1", "https://host/v1"),
        ("http://[::1]:8000/v1", "http://[::1]:8000/v1"),
        ("http://u:p@[::1]/v1", "http://[::1]/v1"),
        ("http://host/v1?api-key=x", "http://host/v1"),
        ("http://host/v1#x", "http://host/v1"),
        ("http://u:p@host:notaport/v1", "(an address that cannot be read)"),
        ("http://u:p@[bad/v1", "(an address that cannot be read)"),
    ],
)
def test_an_address_is_shown_without_credentials(url: str, shown: str) -> None:
    assert without_credentials(url) == shown


def test_a_folder_that_happens_to_be_called_like_a_served_model_is_not_that_model(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = load(SERVER).signature("story")
    build_model(tmp_path / "org" / "judge")
    monkeypatch.chdir(tmp_path)
    assert load(SERVER).signature("story") == before
    assert load(SERVER).model == "org/judge"


def test_no_value_of_engine_or_request_is_in_the_record(load: Load) -> None:
    config = load(LOCAL, backend="vllm", engine={"hf_token": "hf_secret"}, request={"key": "sk-secret"})
    assert "secret" not in json.dumps(config.record())
    assert "secret" not in config.signature("story")


def test_of_a_local_checkpoint_the_content_counts_whatever_revision_is_said(
    load: Load, tmp_path: Path
) -> None:
    one, other = build_model(tmp_path / "a" / "final"), build_model(tmp_path / "b" / "final", b"v" * 10)
    signatures = {
        load(LOCAL, model=str(model), revision=revision).signature("story")
        for model in (one, other)
        for revision in ("main", "other")
    }
    assert len(signatures) == 2
    assert not any("main" in signature for signature in signatures)


def test_two_large_checkpoints_that_differ_in_one_tensor_in_the_middle(load: Load, tmp_path: Path) -> None:
    """As fine-tunes with frozen first and last layers do."""
    import numpy as np
    from safetensors.numpy import save_file

    signatures = []
    for name in ("a", "b"):
        folder = build_model(tmp_path / name / "final")
        tensors = {f"layer.{n}": np.zeros((600, 1000), np.float32) for n in range(9)}
        if name == "b":
            tensors["layer.4"] += 1e-3
        save_file(tensors, str(folder / "model.safetensors"))
        assert (folder / "model.safetensors").stat().st_size > 20 << 20
        signatures.append(load(LOCAL, model=str(folder)).signature("story"))
    assert signatures[0] != signatures[1]


def test_two_local_tokenizers_of_one_name(load: Load, tmp_path: Path) -> None:
    folders = [tmp_path / name / "tok" for name in ("a", "b")]
    for folder in folders:
        build_model(folder)
    (folders[1] / "chat_template.jinja").write_text("other")
    one, other = (load(LOCAL, tokenizer=str(folder)).signature("story") for folder in folders)
    assert one != other


@pytest.mark.parametrize(
    ("said", "meant"), [("NF4", "nf4"), ("nf-4", "nf4"), ("None", "none"), ("awq-int4", "awq-int4")]
)
def test_spellings_of_quantization(load: Load, said: str, meant: str) -> None:
    assert load(LOCAL, quantization=said).quantization == meant


@pytest.mark.parametrize("said", ["4bit", "INT4", "bitsandbytes"])
def test_a_quantization_that_may_mean_either_is_refused_here_and_is_a_server_s_business(
    load: Load, said: str
) -> None:
    with pytest.raises(DiversityEvalError, match="write nf4 to have the weights quantised here"):
        load(LOCAL, quantization=said)
    assert load(SERVER, quantization=said).quantization == said
