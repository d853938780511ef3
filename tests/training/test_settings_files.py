from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diversity_eval.errors import DiversityEvalError
from diversity_eval.training.losses import loss_named, loss_names
from diversity_eval.training.settings import CHOICES, TrainSettings, setting_names
from diversity_eval.training.settings_files import build_settings, read_settings

LEAST: dict[str, Any] = {"model": "some/model", "dataset": "alpaca"}
WHOLE = (
    "lora_rank",
    "lora_alpha",
    "batch_size",
    "accumulation",
    "log_steps",
    "max_length",
    "warmup_steps",
    "seed",
)
NUMBERS = ("learning_rate", "epochs", "weight_decay", "max_grad_norm", "lora_dropout", "min_score")
SWITCHES = (
    "reasoning",
    "packing",
    "lora",
    "gradient_checkpointing",
    "fused",
    "strict",
    "merge",
    "special_delimiters",
)
TEXTS = ("model", "revision", "loss", "dataset", "dataset_split", "dataset_config")


def refused(values: dict[str, Any]) -> str:
    with pytest.raises(DiversityEvalError) as caught:
        build_settings({**LEAST, **values}, "own.yaml")
    return str(caught.value)


def from_yaml(tmp_path: Path, text: str) -> TrainSettings:
    path = tmp_path / "own.yaml"
    path.write_text(text, encoding="utf-8")
    return build_settings({**LEAST, **read_settings(path)}, "own.yaml")


def test_the_defaults_are_the_protocol_of_the_paper() -> None:
    settings = build_settings(LEAST)
    assert (settings.quantization, settings.lora, settings.lora_rank, settings.lora_alpha) == (
        "nf4",
        True,
        16,
        16,
    )
    assert (settings.lora_dropout, settings.epochs, settings.batch_size, settings.accumulation) == (
        0.0,
        1.0,
        2,
        4,
    )
    assert (settings.learning_rate, settings.schedule, settings.warmup_steps) == (2e-4, "linear", 50)
    assert (settings.weight_decay, settings.max_length, settings.seed, settings.min_score) == (
        0.01,
        2048,
        3407,
        7.0,
    )
    assert (settings.optimizer, settings.packing, settings.special_delimiters) == ("auto", False, False)


def test_every_setting_of_a_file_arrives(tmp_path: Path) -> None:
    text = "\n".join([
        "model: org/base", "revision: abc", "loss: tofu", "loss_parameters: {gamma: 2}", "beta: 0.6",
        "dataset: rows.jsonl", "dataset_split: test", "dataset_config: main", "first_rows: 10",
        "max_rows: 5", "min_score: 6", "max_length: 512", "overlong: drop", "packing: true",
        "quantization: none", "dtype: bfloat16", "lora: true", "lora_rank: 4", "lora_alpha: 8",
        "lora_dropout: 0.1", "epochs: 2", "max_steps: 7", "batch_size: 1", "accumulation: 3",
        "learning_rate: 1e-3", "schedule: cosine", "warmup_steps: 0", "weight_decay: 0",
        "optimizer: adamw_torch", "max_grad_norm: 0.5", "neftune_alpha: 5", "gradient_checkpointing: false",
        "seed: 1", "fused: false", "save_steps: 4", "log_steps: 1", "report_to: [wandb, tensorboard]",
        "strict: true", "merge: true", "reasoning: false", "special_delimiters: false",
    ])  # fmt: skip
    settings = from_yaml(tmp_path, text)
    assert settings == TrainSettings(
        model="org/base", revision="abc", loss="tofu", loss_parameters={"gamma": 2.0, "beta": 0.6},
        dataset="rows.jsonl", dataset_split="test", dataset_config="main", first_rows=10, max_rows=5,
        min_score=6.0, max_length=512, overlong="drop", packing=True, quantization="none", dtype="bfloat16",
        lora_rank=4, lora_alpha=8, lora_dropout=0.1, epochs=2.0, max_steps=7, batch_size=1, accumulation=3,
        learning_rate=1e-3, schedule="cosine", warmup_steps=0, weight_decay=0.0, optimizer="adamw_torch",
        max_grad_norm=0.5, neftune_alpha=5.0, gradient_checkpointing=False, seed=1, fused=False,
        save_steps=4, log_steps=1, report_to=("wandb", "tensorboard"), strict=True, merge=True,
    )  # fmt: skip
    assert set(read_settings(tmp_path / "own.yaml")) - {"beta"} == set(setting_names())
    assert build_settings(settings.as_record()) == settings


def test_yaml_writes_numbers_as_text(tmp_path: Path) -> None:
    settings = from_yaml(
        tmp_path, "learning_rate: 2e-4\nloss: pr\nalpha: 1e-5\nlambda: 1e-1\nweight_decay: 1e-2\n"
    )
    assert settings.learning_rate == 2e-4
    assert settings.weight_decay == 0.01
    assert settings.loss_parameters == {"alpha": 1e-5, "lambda": 0.1}
    assert from_yaml(tmp_path, "loss: pr\nloss_parameters:\n  alpha: 1e-3\n").loss_parameters == {
        "alpha": 1e-3
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- model", "expected settings, each as `name: value`"),
        ("", "expected settings, each as `name: value`"),
        ("model: [a", r"is not YAML: .*line 1"),
        ("x: !!python/object/apply:os.system [ls]", r"is not YAML: could not determine a constructor"),
        ("seed: 2001-99-99", "holds a value that YAML cannot read; put texts in quotes"),
        ("seed: " + "9" * 5000, "holds a value that YAML cannot read; put texts in quotes"),
        ("model: " + "[" * 1500, "holds a value that YAML cannot read; put texts in quotes"),
    ],
)
def test_a_file_that_is_no_configuration(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(text)
    with pytest.raises(DiversityEvalError, match=rf"configuration .*own\.yaml: {message}"):
        read_settings(path)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing.yaml"):
        with pytest.raises(DiversityEvalError, match="cannot be read"):
            read_settings(path)
    (tmp_path / "latin.yaml").write_bytes(b"model: caf\xe9")
    with pytest.raises(DiversityEvalError, match="cannot be read"):
        read_settings(tmp_path / "latin.yaml")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("lora_rnk", "lora_rank"),
        ("learning-rate", "learning_rate"),
        ("gama", "gamma"),
        ("datasets", "dataset"),
    ],
)
def test_a_misspelt_name_gets_a_proposal(name: str, meant: str) -> None:
    assert refused({name: 1}) == f"own.yaml: there is no setting {name!r}; did you mean {meant}?"


def test_a_name_that_is_like_none_gets_no_proposal() -> None:
    assert refused({"xyzzy": 1}) == "own.yaml: there is no setting 'xyzzy'"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"quantization": "int8"}, "quantization = 'int8': expected one of nf4, none"),
        ({"dtype": "float16"}, "dtype = 'float16': expected one of auto, bfloat16, float32"),
        ({"schedule": ["linear"]}, "schedule = ['linear']: expected one of linear, cosine, "),
        ({"loss_parameters": [1]}, "loss_parameters = [1]: expected the loss's parameters"),
        ({"report_to": [1]}, "report_to = [1]: expected names such as wandb or tensorboard"),
        ({"report_to": True}, "report_to = True: expected names such as wandb or tensorboard"),
        ({"packing": "yes"}, "packing = 'yes': expected true or false"),
        ({"packing": 1}, "packing = 1: expected true or false"),
        ({"seed": 2**31}, "seed = 2147483648: expected at most 2147483647"),
        ({"max_length": 7}, "max_length = 7: expected 8 or more"),
        ({"lora_dropout": 1.0}, "lora_dropout = 1.0: expected less than 1"),
        ({"learning_rate": 0}, "learning_rate = 0.0: expected more than 0"),
        ({"max_rows": 0}, "max_rows = 0: expected 1 or more"),
        ({"revision": " "}, "revision = ' ': expected text"),
    ],
)
def test_a_wrong_value_is_named_with_what_was_expected(values: dict[str, Any], message: str) -> None:
    assert refused(values).startswith(f"own.yaml: {message}")


@given(st.sampled_from(WHOLE), st.one_of(st.floats(), st.text(), st.booleans(), st.lists(st.integers())))
def test_a_count_is_a_whole_number(name: str, value: Any) -> None:
    assert refused({name: value}).startswith(f"own.yaml: {name} = {value!r}: expected a whole number")


@given(
    st.sampled_from([name for name in WHOLE if name not in ("warmup_steps", "seed")]),
    st.integers(max_value=0),
)
def test_a_count_is_at_least_one(name: str, value: int) -> None:
    assert f"own.yaml: {name} = {value}: expected" in refused({name: value})


@given(st.sampled_from(WHOLE), st.integers(min_value=2**31))
def test_a_count_is_not_larger_than_libraries_take(name: str, value: int) -> None:
    assert refused({name: value}) == f"own.yaml: {name} = {value}: expected at most 2147483647"


@given(
    st.sampled_from(NUMBERS),
    st.one_of(
        st.sampled_from(
            [float("nan"), float("inf"), -float("inf"), "", "1,5", "ten", "nan", "1e999", 10**400]
        ),
        st.booleans(),
        st.lists(st.floats()),
    ),
)
def test_a_number_is_finite(name: str, value: Any) -> None:
    assert refused({name: value}).startswith(f"own.yaml: {name} = {value!r}: expected a number")


@given(st.sampled_from([name for name in NUMBERS if name != "min_score"]), st.floats(max_value=-1e-300))
def test_no_amount_is_negative(name: str, value: float) -> None:
    if value == -float("inf"):
        return
    assert "expected" in refused({name: value})


@given(st.sampled_from(SWITCHES), st.one_of(st.integers(), st.text(), st.none(), st.floats(allow_nan=False)))
def test_a_switch_is_true_or_false(name: str, value: Any) -> None:
    assert refused({name: value}) == f"own.yaml: {name} = {value!r}: expected true or false"


@given(st.sampled_from(TEXTS), st.one_of(st.integers(), st.booleans(), st.sampled_from(["", " ", "\t"])))
def test_a_name_is_text(name: str, value: Any) -> None:
    assert refused({name: value}) == f"own.yaml: {name} = {value!r}: expected text"


@given(st.sampled_from(sorted(CHOICES)), st.text())
def test_a_choice_is_one_of_its_values(name: str, value: str) -> None:
    if value in CHOICES[name]:
        return
    assert ", ".join(CHOICES[name]) in refused({name: value})


@given(
    st.dictionaries(
        st.one_of(
            st.sampled_from([*setting_names(), "gamma", "beta", "lambda", "alpha"]), st.text(max_size=8)
        ),
        st.recursive(
            st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
            lambda inner: st.one_of(
                st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)
            ),
            max_leaves=5,
        ),
        max_size=4,
    ).filter(lambda values: ":" not in str(values.get("loss")))
)
def test_whatever_a_file_holds_becomes_settings_or_one_message(values: dict[str, Any]) -> None:
    try:
        settings = build_settings({**LEAST, **values}, "own.yaml")
    except DiversityEvalError:
        return
    assert build_settings(settings.as_record()) == settings


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"model": None}, "model = None: expected text"),
        ({"quantization": "nf4", "lora": False}, "quantised weights cannot be trained themselves"),
        ({"special_delimiters": True}, "special_delimiters adds tokens that the base model lacks"),
        ({"merge": True, "lora": False, "quantization": "none"}, "there is no adapter to merge"),
        ({"reasoning": True}, "reasoning is for the data set numina_math_cot, not alpaca"),
    ],
)
def test_settings_that_contradict_each_other(values: dict[str, Any], message: str) -> None:
    assert refused(values).startswith(f"own.yaml: {message}")


@pytest.mark.parametrize("name", ["model", "dataset"])
def test_what_cannot_be_left_out(name: str) -> None:
    values = {key: value for key, value in LEAST.items() if key != name}
    with pytest.raises(
        DiversityEvalError, match=rf"^the command line: says no {name}; add --{name}, or `{name}:` in"
    ):
        build_settings(values)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"loss": "toffu"}, r"there is no loss 'toffu'.*did you mean tofu\?"),
        ({"loss": "ce", "gamma": 3}, "the loss ce has no parameter 'gamma'; it has: none"),
        ({"loss": "focal", "beta": 3}, "the loss focal has no parameter 'beta'; it has: gamma"),
        ({"loss": "tofu", "gamma": -1}, "gamma = -1: expected 0 or more"),
        ({"loss": "tofu", "beta": "much"}, "tofu: beta = 'much': expected a finite number"),
        ({"loss": "gem", "beta": True}, "gem: beta = True: expected a finite number"),
    ],
)
def test_a_loss_that_cannot_be(values: dict[str, Any], message: str) -> None:
    with pytest.raises(DiversityEvalError, match=message):
        build_settings({**LEAST, **values})


def write_module(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str) -> None:
    (folder / f"{name}.py").write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(folder)


def test_a_loss_of_ones_own_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_module(
        tmp_path, monkeypatch, "own_losses",
        "import torch\n"
        "def smoothed(logits, labels, *, share=0.1):\n"
        "    losses = torch.nn.functional.cross_entropy(logits, labels, reduction='none')\n"
        "    return (1 - share) * losses - share * logits.log_softmax(-1).mean(-1)\n"
        "def early(logits, labels, *, position, length):\n"
        "    return torch.nn.functional.cross_entropy(logits, labels, reduction='none') / position\n",
    )  # fmt: skip
    for _ in range(2):  # asking twice is no second loss of that name
        settings = build_settings({**LEAST, "loss": "own_losses:smoothed", "loss_parameters": {"share": 0.2}})
    assert settings.loss in loss_names()
    assert loss_named(settings.loss).parameters(settings.loss_parameters) == {"share": 0.2}
    assert loss_named(build_settings({**LEAST, "loss": "own_losses:early"}).loss).needs_place
    with pytest.raises(DiversityEvalError, match="has no parameter 'gamma'; it has: share"):
        build_settings({**LEAST, "loss": "own_losses:smoothed", "gamma": 1})


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "no_such_module:f",
            r"cannot be imported \(ModuleNotFoundError: No module named 'no_such_module'\); expected",
        ),
        ("wrong_losses:missing", r"cannot be imported \(AttributeError"),
        ("wrong_losses:", "cannot be imported"),
        (".wrong_losses:f", r"cannot be imported \(TypeError"),
        ("broken_losses:f", r"cannot be imported \(ZeroDivisionError: division by zero\)"),
        ("wrong_losses:NUMBER", "is no function"),
        ("wrong_losses:mean", r"returns \(\) for 3 labels; expected function\(logits, labels"),
        ("wrong_losses:table", r"returns \(3, 5\) for 3 labels"),
        ("wrong_losses:nothing", "returns NoneType for 3 labels"),
        ("wrong_losses:whole", r"returns \(3,\) for 3 labels"),
        ("wrong_losses:alone", r"fails on an example \(TypeError"),
        ("wrong_losses:half", "`position` and `length` come together"),
        ("wrong_losses:texts", "parameter 'kind' needs a number as its default"),
    ],
)
def test_a_module_without_a_usable_loss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, message: str
) -> None:
    write_module(
        tmp_path, monkeypatch, "wrong_losses",
        "NUMBER = 3\n"
        "def mean(logits, labels): return logits.mean()\n"
        "def table(logits, labels): return logits\n"
        "def nothing(logits, labels): return None\n"
        "def whole(logits, labels): return labels\n"
        "def alone(logits): return logits[:, 0]\n"
        "def half(logits, labels, *, position): return logits[:, 0]\n"
        "def texts(logits, labels, *, kind='x'): return logits[:, 0]\n",
    )  # fmt: skip
    write_module(tmp_path, monkeypatch, "broken_losses", "1 / 0\n")
    with pytest.raises(DiversityEvalError, match=message) as caught:
        build_settings({**LEAST, "loss": name})
    assert str(caught.value).startswith(f"loss {name}: ") or f"loss {name!r}" in str(caught.value)
    assert name not in loss_names()
