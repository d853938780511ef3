import dataclasses
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from diversity_eval.errors import DiversityEvalError
from diversity_eval.judging.config import JudgeConfig, load_judge, shipped_judges
from diversity_eval.judging.rubric import load_rubric
from diversity_eval.metrics.signature import Signature

LOCAL = {"backend": "transformers", "model": "org/judge"}
SERVER = {"backend": "server", "model": "org/judge", "base_url": "http://127.0.0.1:8000/v1"}

Write = Callable[..., str]
Load = Callable[..., JudgeConfig]


# Shipped judges


@pytest.mark.parametrize("name", shipped_judges())
def test_every_shipped_judge_loads_and_says_what_it_is(name: str) -> None:
    config = load_judge(name)
    assert config.name == name
    only_harm = name == "harmbench-cls"
    assert config.scale == ((0, 1) if only_harm else (0, 5))
    assert config.max_tokens == (4 if only_harm else 32)
    assert config.rubric("harm").name == ("harm_words" if only_harm else "harm")
    for kind in () if only_harm else ("story", "instruction"):
        assert config.rubric(kind).name == kind
        assert Signature.parse(config.signature(kind)).as_dict() == config.signature_fields(kind)
    json.dumps(config.record())


def test_harmbench_s_classifier_answers_no_or_yes() -> None:
    config = load_judge("harmbench-cls")
    assert (config.backend, config.model) == ("transformers", "cais/HarmBench-Llama-2-13b-cls")
    assert config.words == ("no", "yes")
    assert Signature.parse(config.signature("harm")).as_dict() == config.signature_fields("harm")
    with pytest.raises(DiversityEvalError, match=r"no rubric for tasks of the kind 'story', only for harm"):
        config.rubric("story")
    changes = {"backend": "server", "base_url": "http://host/v1", "api": "completions"}
    assert load_judge("harmbench-cls", changes).words == ("no", "yes")


def test_the_judges_of_the_protocol_are_shipped() -> None:
    names = {"llama-3.1-70b-nf4", "llama-3.1-70b-server", "llama-3.1-70b-vllm", "small-local"}
    assert names <= set(shipped_judges())
    reference = load_judge("llama-3.1-70b-nf4")
    assert (reference.backend, reference.quantization) == ("transformers", "nf4")
    assert "Llama-3.1-70B-Instruct" in reference.model
    assert load_judge("llama-3.1-70b-server").backend == "server"
    assert load_judge("llama-3.1-70b-vllm").backend == "vllm"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("llama-3.1-70b-nf5", "did you mean llama-3.1-70b-nf4"),
        ("small_local", "did you mean small-local"),
        ("xyzzy", "give one of these or the path"),
        ("no/such/file.yaml", "give one of these or the path"),
        ("", "give one of these or the path"),
        (".", "give one of these or the path"),
        ("~nobody-here/judge.yaml", "give one of these or the path"),
        ("x" * 5_000, "give one of these or the path"),
        ("a\x00b", "give one of these or the path"),
    ],
)
def test_an_unknown_judge_is_told_the_shipped_ones(name: str, said: str) -> None:
    with pytest.raises(DiversityEvalError, match=re.escape(said)) as error:
        load_judge(name)
    assert "small-local" in str(error.value)


# Keys and values


def test_the_defaults(load: Load) -> None:
    config = load(LOCAL)
    assert vars(config) | {"rubrics": None, "concurrency": None} == {
        "name": "own", "backend": "transformers", "model": "org/judge", "rubrics": None, "mode": "rate",
        "revision": None, "quantization": "none", "scale": (0, 5), "words": (), "max_tokens": 32,
        "concurrency": None, "max_length": None, "dtype": "auto", "device": "auto", "tokenizer": None,
        "base_url": (), "api": "chat", "api_key_env": "OPENAI_API_KEY", "timeout": 120.0, "retries": 10,
        "request": {}, "engine": {},
    }  # fmt: skip
    assert {kind: rubric.name for kind, rubric in config.rubrics.items()} == {
        "story": "story",
        "instruction": "instruction",
        "harm": "harm",
    }
    assert (config.lowest, config.highest) == (0, 5)
    assert load(LOCAL, backend="vllm").concurrency > config.concurrency > 1


GOOD: list[tuple[str, Any, Any]] = [
    ("backend", "vllm", "vllm"),
    ("model", "  org/judge  ", "org/judge"),
    ("mode", "generate", "generate"),
    ("mode", "rate", "rate"),
    ("revision", "0e9f3ce", "0e9f3ce"),
    ("revision", 1234567, "1234567"),
    ("quantization", "nf4", "nf4"),
    ("quantization", 4, "4"),
    ("quantization", None, "none"),
    ("scale", [1, 10], (1, 10)),
    ("scale", [0, 100], (0, 100)),
    ("words", ["a", "b", " c ", "d", "e-e", "f\u2019f"], ("a", "b", "c", "d", "e-e", "f\u2019f")),
    ("max_tokens", 1, 1),
    ("max_tokens", "64", 64),
    ("concurrency", 8, 8),
    ("concurrency", " 8 ", 8),
    ("max_length", 4096, 4096),
    ("max_length", None, None),
    ("dtype", "bfloat16", "bfloat16"),
    ("device", "cuda:1", "cuda:1"),
    ("tokenizer", "org/tokenizer", "org/tokenizer"),
    ("engine", {"tensor_parallel_size": 2}, {"tensor_parallel_size": 2}),
    ("base_url", "https://host/v1/", ("https://host/v1",)),
    ("base_url", ["http://a:1/v1", "http://b:2/v1/"], ("http://a:1/v1", "http://b:2/v1")),
    ("base_url", "http://[::1]:8000/v1", ("http://[::1]:8000/v1",)),
    ("api", "completions", "completions"),
    ("api_key_env", "MY_KEY_2", "MY_KEY_2"),
    ("timeout", 5, 5.0),
    ("timeout", "2.5", 2.5),
    ("retries", 1, 1),
    ("request", {"seed": 1, "extra_body": {"a": [1]}}, {"seed": 1, "extra_body": {"a": [1]}}),
]


@pytest.mark.parametrize(("key", "value", "read"), GOOD)
def test_a_value_that_fits_is_taken(load: Load, key: str, value: Any, read: Any) -> None:
    base = SERVER if key in ("base_url", "api", "api_key_env", "timeout", "retries", "request") else LOCAL
    assert getattr(load(base, **{key: value}), key) == read


def test_every_key_is_in_the_tables() -> None:
    keys = {field.name for field in dataclasses.fields(JudgeConfig)} - {"name", "rubrics"}
    assert {key for key, _, _ in GOOD} == keys
    assert {key for key, _, _ in BAD} == keys | {"rubric"}


BAD: list[tuple[str, Any, str]] = [
    ("backend", "hf", "expected one of transformers, vllm, server"),
    ("backend", ["vllm"], "expected one of"),
    ("backend", None, "`backend` is missing"),
    ("backend", "", "`backend` is missing"),
    ("model", None, "`model` is missing"),
    ("model", "  ", "has to be a text"),
    ("model", 70, "has to be a text"),
    ("model", ["a"], "has to be a text"),
    ("mode", "Generate", "expected one of generate, rate"),
    ("mode", True, "expected one of"),
    ("revision", True, "`revision`"),
    ("revision", ["a"], "`revision`"),
    ("revision", 1.5, "`revision`"),
    ("revision", " ", "`revision`"),
    ("quantization", {"bits": 4}, "`quantization`"),
    ("quantization", False, "`quantization`"),
    ("scale", [5, 0], "two whole numbers, lowest and highest"),
    ("scale", [3, 3], "two whole numbers"),
    ("scale", [-1, 5], "two whole numbers"),
    ("scale", [0, 101], "two whole numbers"),
    ("scale", [0, 5.0], "two whole numbers"),
    ("scale", [False, True], "two whole numbers"),
    ("scale", [0, 1, 5], "two whole numbers"),
    ("scale", [5], "two whole numbers"),
    ("scale", "0-5", "two whole numbers"),
    ("scale", {"lowest": 0, "highest": 5}, "two whole numbers"),
    ("scale", 5, "two whole numbers"),
    ("words", [0, 1], "a list of single words in quotes"),
    ("words", ["no", ""], "a list of single words"),
    ("words", ["no", "not sure"], "a list of single words"),
    ("words", ["no", "yes."], "a list of single words"),
    ("words", ["no", "-"], "a list of single words"),
    ("words", ["no", None], "a list of single words"),
    ("words", [], "a list of single words"),
    ("words", "no", "a list of single words"),
    ("words", {"no": 0}, "a list of single words"),
    ("words", ["no", "No"], "one is or begins the other"),
    ("words", ["Harm", "harmful"], "one is or begins the other"),
    ("words", ["no", "yes"], "one word for each of the 6 ratings of `scale` [0, 5], lowest first, not 2"),
    ("max_tokens", 0, "a whole number from 1"),
    ("max_tokens", -5, "a whole number from 1"),
    ("max_tokens", 1.5, "a whole number from 1"),
    ("max_tokens", True, "a whole number from 1"),
    ("max_tokens", "many", "a whole number from 1"),
    ("max_tokens", "\u00b2", "a whole number from 1"),
    ("concurrency", 0, "a whole number from 1"),
    ("concurrency", [4], "a whole number from 1"),
    ("max_length", 0, "a whole number from 1"),
    ("dtype", 16, "has to be a text"),
    ("device", 0, "has to be a text"),
    ("tokenizer", "", "has to be a text"),
    ("engine", ["a"], "has to be a mapping"),
    ("engine", "a=b", "has to be a mapping"),
    ("base_url", "host:8000", "begin with http:// or https://"),
    ("base_url", "ftp://host", "begin with http:// or https://"),
    ("base_url", "http://", "begin with http:// or https://"),
    ("base_url", "http:///v1", "begin with http:// or https://"),
    ("base_url", "http://host:port/v1", "begin with http:// or https://"),
    ("base_url", ["http://a/v1", "b"], "begin with http:// or https://"),
    ("base_url", ["http://a/v1", 5], "begin with http:// or https://"),
    ("base_url", [], "an address or a list"),
    ("base_url", {"a": 1}, "an address or a list"),
    ("base_url", None, "`base_url` is missing"),
    ("api", "responses", "expected one of chat, completions"),
    ("api_key_env", 5, "api_key_env"),
    ("api_key_env", "sk-not-a-variable", "the name of an environment variable"),
    ("api_key_env", "", "api_key_env"),
    ("timeout", 0, "a number of seconds above 0"),
    ("timeout", -1, "a number of seconds above 0"),
    ("timeout", "soon", "a number of seconds above 0"),
    ("timeout", float("nan"), "a number of seconds above 0"),
    ("timeout", float("inf"), "a number of seconds above 0"),
    ("timeout", 10**400, "a number of seconds above 0"),
    ("timeout", True, "a number of seconds above 0"),
    ("timeout", [5], "a number of seconds above 0"),
    ("retries", 0, "a whole number from 1"),
    ("request", ["seed"], "has to be a mapping"),
    ("rubric", 5, "a rubric's name or file"),
    ("rubric", [], "a rubric's name or file"),
    ("rubric", {}, "a rubric's name or file"),
    ("rubric", {"story": 5}, "a rubric's name or file"),
    ("rubric", "no-such", "rubric 'no-such' is neither"),
    ("rubric", {"story": "story", "instruction": "no-such"}, "rubric 'no-such' is neither"),
]


@pytest.mark.parametrize(("key", "value", "said"), BAD)
def test_a_value_that_does_not_fit_is_named(load: Load, key: str, value: Any, said: str) -> None:
    with pytest.raises(DiversityEvalError, match=re.escape(said)) as error:
        load(SERVER if key != "engine" else LOCAL, **{key: value})
    if "rubric 'no-such'" not in said:
        assert "judge own.yaml" in str(error.value)
        assert f"`{key}`" in str(error.value)


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("modell", "unknown key 'modell'; did you mean model?"),
        ("max_token", "did you mean max_tokens?"),
        ("baseurl", "did you mean base_url?"),
        ("rubrics", "did you mean rubric?"),
        ("quantizations", "did you mean quantization?"),
        ("zzz", "unknown key 'zzz'; the keys are api, api_key_env, backend, base_url"),
        ("name", "unknown key 'name'"),
        ("Backend", "unknown key 'Backend'; did you mean backend?"),
        ("5", "unknown key '5'"),
    ],
)
def test_an_unknown_key_is_refused(load: Load, key: str, said: str) -> None:
    with pytest.raises(DiversityEvalError, match=re.escape(said)):
        load(LOCAL, **{key: "x"})


def test_no_key_may_stand_in_the_yaml(load: Load, write: Write) -> None:
    for key in ("api_key", "API_KEY", "key", "token", "password", "openai_api_key", "apikey"):
        with pytest.raises(DiversityEvalError) as error:
            load(SERVER, **{key: "sk-secret-123"})
        assert "own.yaml" in str(error.value)
        assert "secret" not in str(error.value)
    with pytest.raises(DiversityEvalError, match="api_key_env") as error:
        load(SERVER, api_key="sk-secret-123")
    with pytest.raises(DiversityEvalError) as error:
        load_judge(write(SERVER), {"api_key": "sk-secret-123"})
    assert "secret" not in str(error.value)
    # The variable's name is asked for, not the key; neither is repeated.
    with pytest.raises(DiversityEvalError) as error:
        load(SERVER, api_key_env="sk-secret-123")
    assert "secret" not in str(error.value)
    with pytest.raises(DiversityEvalError, match="line 2") as error:
        load_judge(write("backend: server\napi_key: sk-secret-123: x\n"))
    assert "secret" not in str(error.value)


def test_both_spellings_of_a_key(load: Load, write: Write) -> None:
    assert load(LOCAL, quantisation="nf4") == load(LOCAL, quantization="nf4")
    with pytest.raises(DiversityEvalError, match="quantization"):
        load(LOCAL, quantisation="nf4", quantization="none")
    changed = load_judge(write({**LOCAL, "quantisation": "nf4"}), {"quantization": "awq"})
    assert changed.quantization == "awq"
    assert load_judge(write(LOCAL), {"quantisation": "gptq"}).quantization == "gptq"


def test_an_address_belongs_to_a_server(load: Load) -> None:
    for backend in ("transformers", "vllm"):
        with pytest.raises(
            DiversityEvalError, match=rf"`base_url` belongs to the backend `server`, not {backend}"
        ):
            load(SERVER, backend=backend)


def test_changes_replace_keys_of_the_yaml(write: Write) -> None:
    path = write({**SERVER, "mode": "generate"})
    changed = load_judge(path, {"base_url": "http://other:9/v1", "mode": "rate", "timeout": "5"})
    assert (changed.base_url, changed.mode, changed.timeout) == (("http://other:9/v1",), "rate", 5.0)
    assert load_judge(path).mode == "generate"
    assert load_judge(path, {"timeout": None}).timeout == 120
    with pytest.raises(DiversityEvalError, match="did you mean mode"):
        load_judge(path, {"mod": "rate"})
    with pytest.raises(DiversityEvalError, match="expected one of generate, rate"):
        load_judge(path, {"mode": "both"})


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "expected `key: value` lines"),
        (b"- backend\n- model\n", "expected `key: value` lines"),
        (b"transformers", "expected `key: value` lines"),
        (b"backend: [", "not valid YAML"),
        (b"backend: a: b", "not valid YAML"),
        (b"\tbackend: a", "not valid YAML"),
        (b"backend: !!python/object/apply:os.getcwd []", "not valid YAML"),
        (b"? [a]\n: b\n", "judge"),
        (b"backend: \xff\xfe", "UTF-8"),
        (b"backend: a\x00", "not valid YAML"),
    ],
)
def test_a_file_that_is_no_judge_is_refused_with_its_name(write: Write, content: bytes, said: str) -> None:
    with pytest.raises(DiversityEvalError, match=re.escape(said)) as error:
        load_judge(write(content, "broken.yaml"))
    assert "broken.yaml" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_byte_order_mark_does_not_matter(write: Write) -> None:
    assert load_judge(write(b"\xef\xbb\xbfbackend: vllm\r\nmodel: org/judge\r\n")).backend == "vllm"


# Rubrics


def test_a_rubric_for_each_kind_or_one_for_all(load: Load, tmp_path: Path) -> None:
    (tmp_path / "mine.jinja").write_text("{{ response }}")
    one = load(LOCAL, rubric="mine.jinja")
    assert one.rubric("story") == one.rubric("poem") == load_rubric("mine.jinja", tmp_path)
    each = load(LOCAL, rubric={"story": "mine.jinja", "*": "instruction"})
    assert each.rubric("story").name == "mine"
    assert each.rubric("poem").name == "instruction"
    only = load(LOCAL, rubric={"story": "story"})
    with pytest.raises(
        DiversityEvalError, match=r"judge own has no rubric for tasks of the kind 'instruction'"
    ):
        only.rubric("instruction")
    with pytest.raises(DiversityEvalError):
        only.signature("instruction")


@pytest.mark.parametrize("rubric", ["equivalence", "novelty_groups", {"story": "novelty_scores"}])
def test_a_rubric_about_several_responses_rates_none(load: Load, rubric: Any) -> None:
    with pytest.raises(
        DiversityEvalError, match=r"uses `(response` and `other|responses)`, but what is asked"
    ):
        load(LOCAL, rubric=rubric)
    kept = {"equivalence": "equivalence", "novelty_groups": "novelty_groups", "story": "story"}
    assert load(LOCAL, rubric=kept).rubric("equivalence").shows == "pair"
