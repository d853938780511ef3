"""Pair classifiers and reward models as data: `judges/classifiers/NAME.yaml`, `judges/rewards/NAME.yaml`."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args

from diversity_eval.errors import DiversityEvalError
from diversity_eval.judging.config import shipped_judges, without_credentials
from diversity_eval.judging.config_files import check_keys, find_config, model_path, read_settings
from diversity_eval.judging.config_values import READERS, one_of, own_quantization
from diversity_eval.judging.model_identity import digest_of, local_revision, model_label
from diversity_eval.judging.rubric import existing_file, shipped_folder
from diversity_eval.metrics.novelty import PATIENCE, REWARD_THRESHOLDS

__all__ = [
    "DEFAULT_CLASSIFIER",
    "ClassifierConfig",
    "RewardConfig",
    "TestName",
    "load_classifier",
    "load_reward",
    "shipped_classifiers",
    "shipped_rewards",
]

DEFAULT_CLASSIFIER = "novelty-bench"
"""The benchmark's own classifier, version 1.0."""

TestName = Literal["classifier", "exact", "rouge1", "judge", "judge_sets"]
RewardBackendName = Literal["transformers", "server"]

_JUDGED = ("judge", "judge_sets")
_OF_MODELS = ("model", "tokenizer", "revision", "dtype", "device", "quantization", "threshold", "max_tokens",
              "same_label", "batch_size")  # fmt: skip


@dataclass(frozen=True)
class ClassifierConfig:
    """What decides whether two responses are the same. Every field but `name` is a key of the YAML.

    Attributes:
        test: `classifier` (a sequence classification model over both texts), `exact` (equal texts), `rouge1`
            (unigram F1), `judge` (a language model says yes or no to each pair), `judge_sets` (metric version
            1.1: a language model sees all responses to a prompt at once, and scores them too).
        model: Hub id or folder (`classifier`).
        threshold: the same if the probability, or F1, lies above it.
        max_tokens: of each response; the rest is cut.
        same_label: the model's label for "same".
        batch_size: pairs in a batch; None for 64 on a GPU, and on a CPU fewer where they are long.
        judge: a judge's name or YAML (`judge`, `judge_sets`).
        judge_set: keys of the judge's YAML to replace.
    """

    name: str
    test: TestName
    model: str = ""
    tokenizer: str | None = None
    revision: str | None = None
    dtype: str = "float32"
    device: str = "auto"
    quantization: str = "none"
    threshold: float = 0.102
    max_tokens: int = 128
    same_label: int = 1
    batch_size: int | None = None
    judge: str | None = None
    judge_set: Mapping[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """What messages call it."""
        return f"classifier {self.name}"

    def model_fields(self) -> dict[str, str]:
        """What a probability depends on, for signatures and keys of the store."""
        if self.test == "exact":
            return {"test": "exact"}
        if self.test == "rouge1":
            return {"test": "rouge1"}
        fields_ = {
            "test": self.test,
            "classifier": model_label(self.model),
            "classifier_revision": local_revision(self.model) or self.revision or "unstated",
            "classifier_dtype": self.dtype,
            "classifier_quantization": self.quantization,
            "response_tokens": str(self.max_tokens),
            "same_label": str(self.same_label),
        }
        if self.tokenizer is not None:
            fields_["classifier_tokenizer"] = "@".join(
                filter(None, (model_label(self.tokenizer), local_revision(self.tokenizer)))
            )
        return fields_

    def signature_fields(self) -> dict[str, str]:
        """What the classes depend on."""
        if self.test == "exact":
            return self.model_fields()
        return {**self.model_fields(), "threshold": str(self.threshold)}

    def record(self) -> dict[str, Any]:
        """The configuration for a results file, with no secret in it."""
        hidden = {"judge_set", *(_OF_MODELS if self.test != "classifier" else ("judge",))}
        if self.test == "rouge1":
            hidden.discard("threshold")
        shown = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in hidden}
        return {key: value for key, value in shown.items() if value is not None}


@dataclass(frozen=True)
class RewardConfig:
    """A reward model. Every field but `name` is a key of the YAML.

    Attributes:
        thresholds: where scores change on the raw scale, increasing; the benchmark's are of its own model.
        batch_size: responses in a batch (transformers).
        concurrency: requests under way at once (server).
        max_length: the longest conversation, in tokens; None leaves it to the model.
        base_url: the server's addresses; the rest of the server's keys are those of a judge.
    """

    name: str
    backend: RewardBackendName
    model: str
    thresholds: tuple[float, ...] = REWARD_THRESHOLDS
    tokenizer: str | None = None
    revision: str | None = None
    dtype: str = "auto"
    device: str = "auto"
    quantization: str = "none"
    batch_size: int = 8
    max_length: int | None = None
    base_url: tuple[str, ...] = ()
    api_key_env: str = "OPENAI_API_KEY"
    concurrency: int = 32
    timeout: float = 120.0
    retries: int = 10
    request: Mapping[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """What messages call it."""
        return f"reward model {self.name}"

    def model_fields(self) -> dict[str, str]:
        """What a raw reward depends on, for signatures and keys of the store."""
        served = self.backend == "server"
        fields_ = {
            "reward": self.model if served else model_label(self.model),
            "reward_revision": (None if served else local_revision(self.model))
            or self.revision
            or "unstated",
            "reward_quantization": self.quantization,
        }
        if self.dtype != "auto":
            fields_["reward_dtype"] = self.dtype
        if served and self.tokenizer is None:
            fields_["reward_chat"] = "server"  # its template, and control tokens that are broken up
        if self.tokenizer is not None:
            fields_["reward_tokenizer"] = "@".join(
                filter(None, (model_label(self.tokenizer), local_revision(self.tokenizer)))
            )
        if self.request:
            fields_["reward_request"] = digest_of(self.request)
        return fields_

    def signature_fields(self) -> dict[str, str]:
        """What scores and utility depend on beyond the partition."""
        own = self.thresholds != REWARD_THRESHOLDS
        return {
            **self.model_fields(),
            "thresholds": digest_of(list(self.thresholds)) if own else "novelty-bench",
            "patience": f"{PATIENCE:g}",
        }

    def record(self) -> dict[str, Any]:
        """The configuration for a results file, with no secret in it."""
        shown = {f.name: getattr(self, f.name) for f in fields(self)}
        shown["base_url"] = [without_credentials(url) for url in self.base_url]
        shown["request"] = sorted(self.request)
        shown["thresholds"] = list(self.thresholds)
        return {key: value for key, value in shown.items() if value not in (None, (), [], {})}


def shipped_classifiers() -> list[str]:
    """The names of the classifiers that come with the package."""
    return sorted(path.stem for path in (shipped_folder() / "classifiers").glob("*.yaml"))


def shipped_rewards() -> list[str]:
    """The names of the reward models that come with the package."""
    return sorted(path.stem for path in (shipped_folder() / "rewards").glob("*.yaml"))


def load_classifier(name: str, changes: Mapping[str, Any] | None = None) -> ClassifierConfig:
    """A pair classifier by the name of a shipped one or by the path of a YAML file.

    Args:
        name: `novelty-bench`, `exact`, `rouge1`, `judge`, `v1.1`, or a path.
        changes: keys of the YAML to replace.

    Raises:
        DiversityEvalError: no such classifier, unreadable YAML, an unknown key, a value that does not fit.
    """
    path = find_config("classifier", name, shipped_folder() / "classifiers")
    settings = read_settings("classifier", path, changes)
    where = f"classifier {path.name}"
    check_keys(where, settings, {f.name for f in fields(ClassifierConfig)} - {"name"})
    values = _values(where, settings, _CLASSIFIER_READERS)
    test = values.get("test")
    if test is None:
        raise DiversityEvalError(f"{where}: `test` is missing; one of {', '.join(get_args(TestName))}")
    for key, needed in (("model", test == "classifier"), ("judge", test in _JUDGED)):
        if needed and not values.get(key):
            raise DiversityEvalError(f"{where}: `{key}` is missing, which test: {test} needs")
    idle = {
        *(_OF_MODELS if test != "classifier" else ()),
        *(("judge", "judge_set") if test not in _JUDGED else ()),
    } - ({"threshold"} if test == "rouge1" else set())
    if unused := sorted(idle & set(values)):
        raise DiversityEvalError(f"{where}: `{unused[0]}` means nothing to test: {test}; leave it out")
    if test == "rouge1":
        values.setdefault("threshold", 0.458)
    if not 0 <= values.get("threshold", 0) <= 1:
        raise DiversityEvalError(f"{where}: `threshold` has to be from 0 to 1, not {values['threshold']}")
    if "judge" in values and "judge" not in (changes or {}):
        values["judge"] = _judge_path(values["judge"], path.parent)
    return ClassifierConfig(name=path.stem, **_own_model(where, values, path.parent))


def load_reward(name: str, changes: Mapping[str, Any] | None = None) -> RewardConfig:
    """A reward model by the name of a shipped one or by the path of a YAML file; as `load_classifier`."""
    path = find_config("reward model", name, shipped_folder() / "rewards")
    settings = read_settings("reward model", path, changes)
    where = f"reward model {path.name}"
    check_keys(where, settings, {f.name for f in fields(RewardConfig)} - {"name"})
    values = _values(where, settings, _REWARD_READERS)
    for key in ("backend", "model"):
        if not values.get(key):
            raise DiversityEvalError(f"{where}: `{key}` is missing")
    served = values["backend"] == "server"
    if served and not values.get("base_url"):
        raise DiversityEvalError(
            f"{where}: `base_url` is missing: where the server is, e.g. http://127.0.0.1:8000"
        )
    if not served and values.get("base_url"):
        raise DiversityEvalError(f"{where}: `base_url` belongs to the backend `server`, not transformers")
    return RewardConfig(name=path.stem, **(values if served else _own_model(where, values, path.parent)))


def _own_model(where: str, values: dict[str, Any], folder: Path) -> dict[str, Any]:
    """With the model's path, and the quantisation in its one spelling."""
    if "model" in values:
        values["model"] = model_path(values["model"], folder)
    if "tokenizer" in values:
        values["tokenizer"] = model_path(values["tokenizer"], folder)
    if "quantization" in values:
        values["quantization"] = own_quantization(where, values["quantization"])
    return values


def _judge_path(judge: str, folder: Path) -> str:
    """A judge's YAML beside the classifier's is found from anywhere; shipped names stay."""
    if judge in shipped_judges() or existing_file(judge) is not None:
        return judge
    return str(existing_file(judge, folder) or judge)


def _values(
    where: str, settings: Mapping[str, Any], readers: Mapping[str, Callable[[str, str, Any], Any]]
) -> dict[str, Any]:
    return {
        key: reader(where, key, settings[key])
        for key, reader in readers.items()
        if settings.get(key) is not None
    }


def _number(where: str, key: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if isinstance(value, bool) or not math.isfinite(number):
        raise DiversityEvalError(f"{where}: `{key}` has to be a number, not {value!r}")
    return number


def _thresholds(where: str, key: str, value: Any) -> tuple[float, ...]:
    numbers = tuple(_number(where, key, entry) for entry in value) if isinstance(value, list) else ()
    if not numbers or list(numbers) != sorted(set(numbers)):
        raise DiversityEvalError(
            f"{where}: `{key}` has to be a list of increasing numbers, one less than there are scores"
        )
    return numbers


def _label(where: str, key: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise DiversityEvalError(f"{where}: `{key}` has to be a whole number from 0, not {value!r}")
    return value


_MODEL_READERS = {
    key: READERS[key] for key in ("model", "tokenizer", "revision", "dtype", "device", "quantization")
}
_CLASSIFIER_READERS: Mapping[str, Callable[[str, str, Any], Any]] = {
    **_MODEL_READERS,
    "test": one_of(get_args(TestName)),
    "threshold": _number,
    "max_tokens": READERS["max_tokens"],
    "same_label": _label,
    "batch_size": READERS["concurrency"],
    "judge": READERS["model"],
    "judge_set": READERS["request"],
}
_REWARD_READERS: Mapping[str, Callable[[str, str, Any], Any]] = {
    **_MODEL_READERS,
    "backend": one_of(get_args(RewardBackendName)),
    "thresholds": _thresholds,
    "batch_size": READERS["concurrency"],
    **{
        key: READERS[key]
        for key in ("max_length", "base_url", "api_key_env", "concurrency", "timeout", "retries", "request")
    },
}
