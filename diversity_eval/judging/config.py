"""Judges as data: `judges/NAME.yaml`, checked before anything is loaded."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from diversity_eval.errors import DiversityEvalError
from diversity_eval.judging.config_files import check_keys, find_config, model_path, read_settings
from diversity_eval.judging.config_rubrics import check_reply_form, read_rubrics
from diversity_eval.judging.config_values import (
    READERS,
    Api,
    BackendName,
    Mode,
    check_words,
    own_quantization,
)
from diversity_eval.judging.model_identity import digest_of, local_revision, model_label
from diversity_eval.judging.reply_form import ReplyForm, reply_form
from diversity_eval.judging.rubric import Rubric, shipped_folder
from diversity_eval.metrics.signature import Signature

__all__ = ["BackendName", "JudgeConfig", "Mode", "load_judge", "shipped_judges"]

_NOT_SHOWN = ("rubrics", "request", "engine")  # the last two may hold a token
# Arguments of vLLM's engine that say where and how fast, not what is computed.
_ENGINE_PLACEMENT = frozenset(
    {
        "gpu_memory_utilization", "tensor_parallel_size", "pipeline_parallel_size", "data_parallel_size",
        "enforce_eager", "max_num_seqs", "max_num_batched_tokens", "swap_space", "cpu_offload_gb",
        "download_dir", "disable_log_stats", "distributed_executor_backend", "kv_cache_memory_bytes",
        "hf_token", "seed",
    }
)  # fmt: skip
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
        words: what the judge answers for each rating, lowest first, instead of the line `Total rating: N`.
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
    words: tuple[str, ...] = ()
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

    def __post_init__(self) -> None:
        """Raise DiversityEvalError for a rubric that asks for another form of reply than is read."""
        check_reply_form(self.label, self.rubrics, self.words)

    @property
    def label(self) -> str:
        """What messages call it."""
        return f"judge {self.name}"

    @property
    def lowest(self) -> int:
        """The lowest rating."""
        return self.scale[0]

    @property
    def highest(self) -> int:
        """The highest rating."""
        return self.scale[1]

    @property
    def reply(self) -> ReplyForm:
        """The form of its replies."""
        return reply_form(self.scale, self.words)

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
        served = self.backend == "server"  # then `model` is a name of the server's, whatever lies here
        fields_ = {
            "judge": self.model if served else model_label(self.model),
            # A folder's content says more than a revision, which is a word there.
            "judge_revision": (None if served else local_revision(self.model)) or self.revision or "unstated",
            "judge_quantization": self.quantization,
            "judge_mode": self.mode,
            "rubric": self.rubric(kind).label,
            "scale": f"{self.lowest}-{self.highest}",
        }
        if self.words:
            fields_["judge_words"] = "/".join(self.words)
        if self.mode == "generate":
            fields_["judge_max_tokens"] = str(self.max_tokens)
        if self.dtype != "auto":
            fields_["judge_dtype"] = self.dtype
        if served and self.api != "chat":
            fields_["judge_api"] = self.api
        if self.tokenizer is not None:
            fields_["judge_tokenizer"] = "@".join(
                filter(None, (model_label(self.tokenizer), local_revision(self.tokenizer)))
            )
        if self.request:
            fields_["judge_request"] = digest_of(self.request)
        if changing := {key: value for key, value in self.engine.items() if key not in _ENGINE_PLACEMENT}:
            fields_["judge_engine"] = digest_of(changing)
        return fields_

    def signature(self, kind: str) -> str:
        """The judge's signature for a kind of task, as one line."""
        return str(Signature("judge", self.signature_fields(kind)))

    def record(self) -> dict[str, Any]:
        """The configuration for a results file, with no secret in it."""
        shown = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in _NOT_SHOWN}
        shown["rubric"] = {kind: rubric.label for kind, rubric in self.rubrics.items()}
        shown["base_url"] = [without_credentials(url) for url in self.base_url]
        shown["request"] = sorted(self.request)
        shown["engine"] = sorted(self.engine)
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
    path = find_config("judge", name, shipped_folder())
    return _from_settings(read_settings("judge", path, changes), path)


def _from_settings(settings: dict[str, Any], path: Path) -> JudgeConfig:
    where = f"judge {path.name}"
    names = {f.name for f in fields(JudgeConfig)} - {"name", "rubrics"} | {"rubric"}
    check_keys(where, settings, names)
    for key in ("backend", "model"):
        if not settings.get(key):
            raise DiversityEvalError(f"{where}: `{key}` is missing")
    values = {
        key: reader(where, key, settings[key])
        for key, reader in READERS.items()
        if settings.get(key) is not None
    }
    values.setdefault("concurrency", _CONCURRENCY[values["backend"]])
    words = values.get("words", ())
    check_words(where, words, values.get("scale", JudgeConfig.scale))
    rubrics = read_rubrics(where, settings.get("rubric"), path.parent, words)
    config = JudgeConfig(name=path.stem, rubrics=rubrics, **values)
    if config.backend == "server" and not config.base_url:
        raise DiversityEvalError(
            f"{where}: `base_url` is missing: where the server is, e.g. http://127.0.0.1:8000/v1"
        )
    if config.backend != "server" and config.base_url:
        raise DiversityEvalError(f"{where}: `base_url` belongs to the backend `server`, not {config.backend}")
    if config.backend == "server":
        return config
    quantization = own_quantization(where, config.quantization)
    return replace(config, model=model_path(config.model, path.parent), quantization=quantization)
