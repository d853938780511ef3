"""Judges as data: `judges/NAME.yaml`, checked before anything is loaded."""

import difflib
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args

from diversity_eval.errors import DiversityEvalError
from diversity_eval.judging.rubric import Rubric, existing_file, load_rubric, shipped_folder
from diversity_eval.metrics.signature import Signature

__all__ = ["BackendName", "JudgeConfig", "Mode", "load_judge", "shipped_judges"]

BackendName = Literal["transformers", "vllm", "server"]
Mode = Literal["generate", "rate"]
Api = Literal["chat", "completions"]

_DEFAULT_RUBRICS = {"story": "story", "instruction": "instruction"}
_ALIASES = {"quantisation": "quantization"}
_WIDEST_SCALE = 100
_CONCURRENCY: Mapping[str, int] = {"transformers": 16, "vllm": 256, "server": 32}


@dataclass(frozen=True)
class JudgeConfig:
    """One judge. Every field but `name` and `rubrics` is a key of the YAML; `docs/judging.md` lists them.

    Attributes:
        name: the file's name without its ending.
        rubrics: by kind of task; `*` is for kinds that are not named.
        quantization: how the weights are held: `none`, `nf4` (bitsandbytes, double quantisation, bfloat16
            compute), or any name for a checkpoint or server that is quantised already.
        scale: lowest and highest rating, whole numbers.
        max_tokens: the longest reply in `generate` mode, in tokens.
        concurrency: requests under way at once (server, 32 if unsaid), prompts in a batch (transformers, 16),
            prompts handed to the engine at once (vllm, 256).
        max_length: the longest prompt with reply, in tokens; None leaves it to the model.
        api_key_env: the environment variable that holds the server's key.
        retries: attempts for one prompt until it is given up as unscored (server).
        timeout: seconds for one request (server).
        request: further fields of every request (server).
        engine: further arguments of vLLM's engine.
    """

    name: str
    backend: BackendName
    model: str
    rubrics: Mapping[str, Rubric]
    mode: Mode = "rate"
    revision: str | None = None
    quantization: str = "none"
    scale: tuple[int, int] = (0, 5)
    max_tokens: int = 32
    concurrency: int = _CONCURRENCY["transformers"]
    max_length: int | None = None
    # transformers and vllm
    dtype: str = "auto"
    device: str = "auto"
    tokenizer: str | None = None
    # server
    base_url: tuple[str, ...] = ()
    api: Api = "chat"
    api_key_env: str = "OPENAI_API_KEY"
    timeout: float = 120.0
    retries: int = 10
    request: Mapping[str, Any] = field(default_factory=dict)
    # vllm
    engine: Mapping[str, Any] = field(default_factory=dict)

    @property
    def lowest(self) -> int:
        """The lowest rating."""
        return self.scale[0]

    @property
    def highest(self) -> int:
        """The highest rating."""
        return self.scale[1]

    def rubric(self, kind: str) -> Rubric:
        """The rubric for a kind of task.

        Raises DiversityEvalError for a kind that this judge has no rubric for.
        """
        found = self.rubrics.get(kind) or self.rubrics.get("*")
        if found is None:
            raise DiversityEvalError(
                f"judge {self.name} has no rubric for tasks of the kind {kind!r}, only for "
                f"{', '.join(sorted(self.rubrics))}; name one under `rubric` in its YAML"
            )
        return found

    def signature_fields(self, kind: str) -> dict[str, str]:
        """What a rating depends on, for signatures. Not in it: where and how the judge is run."""
        fields_ = {
            "judge": _model_label(self.model),
            "judge_revision": self.revision or _local_revision(self.model) or "unstated",
            "judge_quantization": self.quantization,
            "judge_mode": self.mode,
            "rubric": self.rubric(kind).label,
            "scale": f"{self.lowest}-{self.highest}",
        }
        if self.mode == "generate":
            fields_["judge_max_tokens"] = str(self.max_tokens)
        if self.dtype != "auto":
            fields_["judge_dtype"] = self.dtype
        if self.request:
            fields_["judge_request"] = _digest(self.request)
        return fields_

    def signature(self, kind: str) -> str:
        """The judge's signature for a kind of task, as one line."""
        return str(Signature("judge", self.signature_fields(kind)))

    def record(self) -> dict[str, Any]:
        """The configuration for a results file, with no secret in it."""
        shown = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("rubrics", "request")}
        shown["rubric"] = {kind: rubric.label for kind, rubric in self.rubrics.items()}
        shown["base_url"] = [without_credentials(url) for url in self.base_url]
        shown["request"] = sorted(self.request)
        return {key: value for key, value in shown.items() if value not in (None, (), [], {})}


def without_credentials(url: str) -> str:
    """A server's address without user, password, query and fragment."""
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "(an address that cannot be read)"
    host = f"[{parts.hostname}]" if parts.hostname and ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host or '?'}{port}{parts.path}"


def shipped_judges() -> list[str]:
    """The names of the judges that come with the package."""
    return sorted(path.stem for path in shipped_folder().glob("*.yaml"))


def load_judge(name: str, changes: Mapping[str, Any] | None = None) -> JudgeConfig:
    """A judge by the name of a shipped one or by the path of a YAML file.

    Args:
        name: `llama-3.1-70b-nf4`, ..., or a path.
        changes: keys of the YAML to replace, e.g. `{"base_url": "http://host:8000/v1"}`.

    Raises:
        DiversityEvalError: no such judge, unreadable YAML, an unknown key, a value that does not fit.
    """
    path = shipped_folder() / f"{name}.yaml" if name in shipped_judges() else existing_file(name)
    if path is None:
        near = difflib.get_close_matches(name, shipped_judges(), 1)
        raise DiversityEvalError(
            f"judge {name!r} is neither one of {', '.join(shipped_judges())} nor an existing file"
            + (f"; did you mean {near[0]}?" if near else "; give one of these or the path of a YAML file")
        )
    settings = _read(path)
    for key, value in (changes or {}).items():
        settings[_ALIASES.get(key, key)] = value
    return _from_settings(settings, path)


def _read(path: Path) -> dict[str, Any]:
    import yaml

    try:
        loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise DiversityEvalError(f"judge {path}: cannot be read as UTF-8 text: {error}") from None
    except yaml.YAMLError as error:
        # The whole message quotes the line, which may hold a key that does not belong there.
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "unreadable"
        raise DiversityEvalError(f"judge {path}{line}: not valid YAML: {problem}") from None
    if not isinstance(loaded, dict):
        raise DiversityEvalError(f"judge {path}: expected `key: value` lines (backend, model, mode, ...)")
    settings: dict[str, Any] = {}
    for given, value in loaded.items():
        key = _ALIASES.get(str(given), str(given))
        if key in settings:
            raise DiversityEvalError(f"judge {path}: `{key}` is given twice, in two spellings; keep one")
        settings[key] = value
    return settings


def _from_settings(settings: dict[str, Any], path: Path) -> JudgeConfig:
    where = f"judge {path.name}"
    names = {f.name for f in fields(JudgeConfig)} - {"name", "rubrics"} | {"rubric"}
    for key in settings:
        if key.lower() in ("api_key", "key", "token", "password"):
            raise DiversityEvalError(
                f"{where}: no key belongs into a judge's YAML; put it into an environment variable and name "
                "that under `api_key_env` (OPENAI_API_KEY if none is named)"
            )
        if key not in names:
            near = difflib.get_close_matches(key, sorted(names), 1)
            raise DiversityEvalError(
                f"{where}: unknown key {key!r}"
                + (f"; did you mean {near[0]}?" if near else f"; the keys are {', '.join(sorted(names))}")
            )
    for key in ("backend", "model"):
        if not settings.get(key):
            raise DiversityEvalError(f"{where}: `{key}` is missing")
    values = {
        key: reader(where, key, settings[key])
        for key, reader in _READERS.items()
        if settings.get(key) is not None
    }
    values.setdefault("concurrency", _CONCURRENCY[values["backend"]])
    config = JudgeConfig(
        name=path.stem, rubrics=_rubrics(where, settings.get("rubric"), path.parent), **values
    )
    if config.backend == "server" and not config.base_url:
        raise DiversityEvalError(
            f"{where}: `base_url` is missing: where the server is, e.g. http://127.0.0.1:8000/v1"
        )
    if config.backend != "server" and config.base_url:
        raise DiversityEvalError(f"{where}: `base_url` belongs to the backend `server`, not {config.backend}")
    return replace(config, model=_model_path(config.model, path.parent))


def _rubrics(where: str, value: Any, folder: Path) -> dict[str, Rubric]:
    if value is None:
        value = _DEFAULT_RUBRICS
    if isinstance(value, str):
        value = {"*": value}
    if not isinstance(value, dict) or not value or not all(isinstance(v, str) for v in value.values()):
        raise DiversityEvalError(
            f"{where}: `rubric` has to be a rubric's name or file, or one for each kind of task, e.g. "
            "{story: story, instruction: instruction}"
        )
    return {str(kind): load_rubric(name, folder) for kind, name in value.items()}


def _model_path(model: str, folder: Path) -> str:
    """A checkpoint beside the YAML is found from anywhere; Hub ids and absolute paths stay."""
    beside = folder / model
    if not Path(model).is_absolute() and not Path(model).exists() and (beside / "config.json").is_file():
        return str(beside)
    return model


def _model_label(model: str) -> str:
    """A Hub id as it is; of a local checkpoint the folder's name, since where it lies says nothing."""
    return Path(model).resolve().name if Path(model).is_dir() else model


def _local_revision(model: str) -> str | None:
    """A digest of a local checkpoint, so that two of one name differ; None if it is not local.

    Over names, sizes and both ends of its files: reading all of a 70B model would take minutes.
    """
    folder = Path(model)
    if not folder.is_dir():
        return None
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.suffix in (".json", ".safetensors", ".bin", ".model", ".jinja", ".txt"):
            size = path.stat().st_size
            digest.update(f"{path.name}:{size}\n".encode())
            with path.open("rb") as file:
                digest.update(file.read(1 << 20))
                if size > 2 << 20:
                    file.seek(-(1 << 20), 2)
                    digest.update(file.read())
    return f"local-{digest.hexdigest()[:12]}"


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(_sorted(value), default=str).encode()).hexdigest()[:12]


def _sorted(value: Any) -> Any:
    """With the keys of all mappings in order, whatever kinds they are of (in YAML, numbers too)."""
    if isinstance(value, dict):
        return {str(key): _sorted(value[key]) for key in sorted(value, key=str)}
    return [_sorted(entry) for entry in value] if isinstance(value, list) else value


def _text(where: str, key: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise DiversityEvalError(f"{where}: `{key}` has to be a text, not {value!r}")
    return value.strip()


def _name(where: str, key: str, value: Any) -> str:
    # YAML reads a revision or a width in bits that is all digits as a number.
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    return _text(where, key, value)


def _variable(where: str, key: str, value: Any) -> str:
    # Not repeated: what stands here by mistake is the key itself.
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", value):
        raise DiversityEvalError(
            f"{where}: `{key}` has to be the name of an environment variable, e.g. OPENAI_API_KEY"
        )
    return value


def _one_of(choices: tuple[str, ...]) -> Callable[[str, str, Any], str]:
    def read(where: str, key: str, value: Any) -> str:
        if value not in choices:
            raise DiversityEvalError(f"{where}: `{key}` is {value!r}; expected one of {', '.join(choices)}")
        return str(value)

    return read


def _whole(lowest: int) -> Callable[[str, str, Any], int]:
    def read(where: str, key: str, value: Any) -> int:
        if isinstance(value, str) and value.strip().isdecimal():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or value < lowest:
            raise DiversityEvalError(
                f"{where}: `{key}` has to be a whole number from {lowest}, not {value!r}"
            )
        return value

    return read


def _seconds(where: str, key: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = -1.0
    if isinstance(value, bool) or not 0 < number < float("inf"):
        raise DiversityEvalError(f"{where}: `{key}` has to be a number of seconds above 0, not {value!r}")
    return number


def _scale(where: str, key: str, value: Any) -> tuple[int, int]:
    if (
        not isinstance(value, list | tuple)
        or len(value) != 2
        or any(isinstance(end, bool) or not isinstance(end, int) for end in value)
        or not 0 <= value[0] < value[1] <= _WIDEST_SCALE
    ):
        raise DiversityEvalError(
            f"{where}: `{key}` has to be two whole numbers, lowest and highest, from 0 to {_WIDEST_SCALE}, "
            f"e.g. [0, 5], not {value!r}"
        )
    return value[0], value[1]


def _urls(where: str, key: str, value: Any) -> tuple[str, ...]:
    urls = [value] if isinstance(value, str) else value
    if not isinstance(urls, list) or not urls:
        raise DiversityEvalError(f"{where}: `{key}` has to be an address or a list of addresses")
    for url in urls:
        if not isinstance(url, str) or not url.startswith(("http://", "https://")) or not _has_host(url):
            raise DiversityEvalError(
                f"{where}: `{key}`: expected addresses that begin with http:// or https://, e.g. "
                "http://127.0.0.1:8000/v1"
            )
    return tuple(url.rstrip("/") for url in urls)


def _has_host(url: str) -> bool:
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _mapping(where: str, key: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise DiversityEvalError(f"{where}: `{key}` has to be a mapping, not {value!r}")
    return {str(name): entry for name, entry in value.items()}


_READERS: Mapping[str, Callable[[str, str, Any], Any]] = {
    "backend": _one_of(get_args(BackendName)),
    "model": _text,
    "mode": _one_of(get_args(Mode)),
    "revision": _name,
    "quantization": _name,
    "scale": _scale,
    "max_tokens": _whole(1),
    "concurrency": _whole(1),
    "max_length": _whole(1),
    "dtype": _text,
    "device": _text,
    "tokenizer": _text,
    "base_url": _urls,
    "api": _one_of(get_args(Api)),
    "api_key_env": _variable,
    "timeout": _seconds,
    "retries": _whole(1),
    "request": _mapping,
    "engine": _mapping,
}
