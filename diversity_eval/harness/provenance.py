"""What the results file says about how its numbers came about."""

import hashlib
import platform
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from importlib import metadata as package_metadata
from typing import Any

import diversity_eval
from diversity_eval.harness.options import TaskOptions
from diversity_eval.versions import versions_of

__all__ = [
    "common_record",
    "document_selection",
    "hidden_generation",
    "prompt_fields",
    "run_fields",
    "run_record",
]

_PACKAGES = ("lm_eval", "transformers", "torch", "vllm", "sacrebleu", "nltk", "datasets")

# Settings of a checkpoint's generation_config that change what is sampled and that the tasks do not set,
# with the value that means "off" beside None.
_HIDDEN: Mapping[str, Any] = {
    "bad_words_ids": None, "begin_suppress_tokens": None, "constraints": None, "diversity_penalty": 0.0,
    "encoder_no_repeat_ngram_size": 0, "encoder_repetition_penalty": 1.0, "epsilon_cutoff": 0.0,
    "eta_cutoff": 0.0, "exponential_decay_length_penalty": None, "forced_bos_token_id": None,
    "forced_eos_token_id": None, "guidance_scale": 1.0, "length_penalty": 1.0, "min_length": 0,
    "min_new_tokens": 0, "no_repeat_ngram_size": 0, "num_beams": 1, "penalty_alpha": None,
    "renormalize_logits": False, "sequence_bias": None, "stop_strings": None, "suppress_tokens": None,
    "top_h": None, "typical_p": 1.0, "watermarking_config": None,
}  # fmt: skip


def document_selection(count: int, limit: int | None, samples: list[int] | None) -> str:
    """Which documents are evaluated, for the signature: numbers over other documents are other numbers."""
    if samples:
        chosen = ",".join(str(index) for index in sorted(samples))
        return f"{len(samples)} of {count} chosen@{hashlib.sha256(chosen.encode()).hexdigest()[:12]}"
    if limit is not None and limit < count:
        return f"first {limit} of {count}"
    return f"all {count}"


def prompt_fields(config: Any, run: Any, provenance: Any, picked: str = "") -> dict[str, str]:
    """The part of a signature that says what was asked: data and prompts.

    `picked` says which documents of the data the task has, where it has not all.
    """
    fields = {
        "task": f"{config.task}@{(config.metadata or {}).get('version', '?')}",
        "data": _data_digest(provenance),
        "docs": run.documents,
        "prompt": run.template.label,
    }
    if picked:
        fields["picked"] = picked
    if "add_bos_token" in (config.metadata or {}):  # else it is the tokenizer's own habit
        fields["add_bos_token"] = str(config.metadata["add_bos_token"])
    if run.system:
        fields["system"] = hashlib.sha256(run.system.encode()).hexdigest()[:12]
    fields["lm_eval"] = package_metadata.version("lm_eval")
    fields["version"] = diversity_eval.__version__
    return fields


def run_fields(config: Any, run: Any, provenance: Any, picked: str = "") -> dict[str, str]:
    """The part of a signature that all metrics of a run share; two runs that agree in it can be compared.

    `picked` as for `prompt_fields`.
    """
    generation = run.generation
    fields = {
        **prompt_fields(config, run, provenance, picked),
        "k": str(run.plan.num_samples),
        "temperature": _number(generation.get("temperature")),
        "top_p": _number(generation.get("top_p", 1.0)),
        "top_k": _number(generation.get("top_k", 0)),
    }
    for name, neutral in (("min_p", 0.0), ("repetition_penalty", 1.0)):
        if float(generation.get(name, neutral)) != neutral:
            fields[name] = _number(generation[name])
    known = {*fields, "do_sample", "until", "max_gen_toks", "min_p", "repetition_penalty"}
    for name in sorted(set(generation) - known):
        fields[name] = str(generation[name])
    for name in run.left_out:
        fields[name] = "server"
    fields |= {f"checkpoint.{name}": str(value) for name, value in hidden_generation(run).items()}
    fields["max_new_tokens"] = _number(generation["max_gen_toks"])
    if run.fit is not None and run.fit.shortened:
        fields["shortened"] = f"{len(run.fit.shortened)} to {min(run.fit.shortened.values())}"
    if own_stops := (config.generation_kwargs or {}).get("until"):  # the YAMLs set none
        fields["until"] = hashlib.sha256(repr(own_stops).encode()).hexdigest()[:12]
    return fields


def hidden_generation(run: Any) -> dict[str, Any]:
    """Sampling settings of the checkpoint's generation_config that transformers applies unasked."""
    model = getattr(run.model.lm, "model", None) if run.model.kind == "hf" else None
    own = getattr(model, "generation_config", None)
    if own is None:
        return {}
    found = {name: getattr(own, name, None) for name in _HIDDEN if name not in run.generation}
    return {name: value for name, value in found.items() if value is not None and value != _HIDDEN[name]}


def common_record(run: Any, provenance: Any) -> dict[str, Any]:
    """What happened, whatever was measured: backend, prompt treatment, data, versions."""
    return {
        "backend": run.model.kind,
        "model_class": run.model.name,
        "prompt_template": run.template.label,
        "documents": run.documents,
        "data": asdict(provenance) if is_dataclass(provenance) else str(provenance),  # type: ignore[arg-type]
        "python": platform.python_version(),
        "packages": versions_of(_PACKAGES),
    }


def run_record(run: Any, options: TaskOptions, provenance: Any) -> dict[str, Any]:
    """`common_record`, and how the responses were sampled."""
    fit = run.fit
    return {
        **common_record(run, provenance),
        "num_samples": run.plan.num_samples,
        "seeding": run.plan.seeding,
        "sample_seed": run.plan.seed
        if run.plan.seeding != "repeats" or options.sample_seed is not None
        else None,
        # Addresses and fields of requests may hold secrets.
        "options": {
            name: sorted(value) if name.endswith("_set") else value for name, value in asdict(options).items()
        },
        "generation": run.generation,
        "fields_the_server_refused": list(run.left_out),
        "beginning_text": run.beginning,
        "documents_with_fewer_new_tokens": dict(fit.shortened) if fit is not None else {},
        "prompt_lengths_checked": bool(fit is not None and not fit.unchecked),
    }


def _number(value: Any) -> str:
    return f"{float(value):g}" if isinstance(value, int | float) else str(value)


def _data_digest(provenance: Any) -> str:
    """The digest of the rows' values where there is one: the same data gives it from whatever place."""
    digest = getattr(provenance, "rows_sha256", None) or getattr(provenance, "sha256", None)
    return str(digest)[:12] if digest else "?"
