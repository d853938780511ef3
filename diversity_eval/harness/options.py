"""The task options that travel in lm-eval's `--metadata`, checked before anything is generated."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, get_args

from diversity_eval.errors import DiversityEvalError

__all__ = ["Embeddings", "Preset", "SampleSeeds", "TaskOptions"]

SampleSeeds = Literal["auto", "always", "never"]
Preset = Literal["default", "paper_hf"]
Embeddings = Literal["auto", "minilm", "none"]

# What transformers' `generate` does when only temperature and top-p are given, as in the paper's runs.
PRESETS: Mapping[Preset, Mapping[str, Any]] = {"default": {}, "paper_hf": {"top_k": 50}}


@dataclass(frozen=True)
class TaskOptions:
    """What a user may choose per run. `None` means: as the task's YAML says."""

    num_samples: int | None = None
    sample_seed: int | None = None
    sample_seeds: SampleSeeds = "auto"
    prompt_template: str = "auto"
    preset: Preset = "default"
    pass_at: int | None = None
    embeddings: Embeddings = "auto"
    allow_identical: bool = False
    judge: str | None = None
    judge_set: Mapping[str, Any] = field(default_factory=dict)
    verdicts: str | None = None
    classifier: str | None = None
    classifier_set: Mapping[str, Any] = field(default_factory=dict)
    reward: str | None = None
    reward_set: Mapping[str, Any] = field(default_factory=dict)
    novelty_store: str | None = None

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, Any]) -> "TaskOptions":
        """Read the options out of a task's metadata, in which the model's arguments lie too.

        Raises DiversityEvalError for a value that does not fit and for a name that is almost an option's.
        """
        names = {option.name for option in fields(cls)}
        for key in metadata:
            if key not in names and (near := difflib.get_close_matches(str(key), names, 1, cutoff=0.8)):
                raise DiversityEvalError(f"--metadata {key}: no such option; did you mean {near[0]}?")
        options = cls()
        for name in names & set(metadata):
            options = replace(options, **{name: _READERS[name](name, metadata[name])})
        if options.num_samples is not None and options.num_samples < 2:
            raise DiversityEvalError(
                f"num_samples={options.num_samples}: diversity needs at least 2 responses to each prompt"
            )
        if options.pass_at is not None and options.pass_at < 1:
            raise DiversityEvalError(f"pass_at={options.pass_at}: expected 1 or more, e.g. pass_at=16")
        if options.judge is None and "judge_set" in metadata:
            raise DiversityEvalError("judge_set is given without a judge; add judge=NAME")
        if options.judge is None and options.classifier is None and "verdicts" in metadata:
            raise DiversityEvalError("verdicts is given without a judge; add judge=NAME")
        if options.classifier == "none" and (
            unused := [name for name in ("classifier_set", "novelty_store") if name in metadata]
        ):
            raise DiversityEvalError(f"{unused[0]} is given with classifier=none; leave one of them out")
        if options.reward is None and "reward_set" in metadata:
            raise DiversityEvalError("reward_set is given without a reward model; add reward=NAME")
        return options


def _integer(name: str, value: Any) -> int:
    if not isinstance(value, bool):
        try:
            number = int(str(value))
        except ValueError:
            pass
        else:
            if name == "sample_seed" and not 0 <= number < 2**63:
                raise DiversityEvalError(f"sample_seed={value!r}: expected a whole number from 0 to 2^63 - 1")
            return number
    raise DiversityEvalError(f"{name}={value!r}: expected a whole number, e.g. --metadata {name}=20")


def _flag(name: str, value: Any) -> bool:
    text = str(value).strip().lower()
    if text in ("true", "1", "yes"):
        return True
    if text in ("false", "0", "no"):
        return False
    raise DiversityEvalError(f"{name}={value!r}: expected true or false")


def _text(name: str, value: Any) -> str:
    if not str(value).strip():
        raise DiversityEvalError(f"{name}: expected a value, got an empty one")
    return str(value)


def _choice(choices: tuple[str, ...]) -> Any:
    def read(name: str, value: Any) -> str:
        # YAML and lm-eval's own parser turn a bare `none` into None.
        text = "none" if value is None else str(value)
        if text not in choices:
            raise DiversityEvalError(f"{name}={value!r}: expected one of {', '.join(choices)}")
        return text

    return read


def _judge(name: str, value: Any) -> str | None:
    return None if value is None or str(value).strip().lower() == "none" else _text(name, value)


def _classifier(name: str, value: Any) -> str:
    """`none` is kept apart from nothing said, which means the benchmark's own."""
    return _judge(name, value) or "none"


def _settings(name: str, value: Any) -> dict[str, Any]:
    """A mapping, or `key=value;key=value` (commas already part lm-eval's own list)."""
    if isinstance(value, Mapping):
        return {str(key): entry for key, entry in value.items()}
    import yaml

    settings = {}
    for part in str(value).split(";"):
        key, equals, text = part.partition("=")
        if not equals or not key.strip():
            raise DiversityEvalError(
                f"{name}={value!r}: expected key=value;key=value, or in JSON a mapping, with keys of the YAML"
            )
        try:
            settings[key.strip()] = yaml.safe_load(text)
        except yaml.YAMLError:
            settings[key.strip()] = text
    return settings


_READERS: Mapping[str, Any] = {
    "num_samples": _integer,
    "sample_seed": _integer,
    "pass_at": _integer,
    "sample_seeds": _choice(get_args(SampleSeeds)),
    "prompt_template": _text,
    "preset": _choice(get_args(Preset)),
    "embeddings": _choice(get_args(Embeddings)),
    "allow_identical": _flag,
    "judge": _judge,
    "judge_set": _settings,
    "verdicts": _text,
    "classifier": _classifier,
    "classifier_set": _settings,
    "reward": _judge,
    "reward_set": _settings,
    "novelty_store": _text,
}
