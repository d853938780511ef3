"""The card of a trained checkpoint: what it is, how it was made, how to evaluate it."""

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from diversity_eval.data.writing import write_text
from diversity_eval.redaction import without_secrets
from diversity_eval.training.checkpoints.adapter import vllm_max_rank, vllm_refuses
from diversity_eval.training.checkpoints.checkpoint_cards import merge_lines
from diversity_eval.training.checkpoints.evaluating import evaluation, shown_folder
from diversity_eval.training.checkpoints.folders import share_files
from diversity_eval.training.checkpoints.front import base_license_lines, front, is_hub_id
from diversity_eval.training.checkpoints.licences import card_folder
from diversity_eval.training.checkpoints.loss_words import formula, loss_parameters, loss_words
from diversity_eval.training.checkpoints.markdown import block, code, table, text
from diversity_eval.training.checkpoints.model_files import stored_tensors
from diversity_eval.training.checkpoints.record import TrainingRecord, write_record

__all__ = ["is_quantised", "write_model_card"]


def write_model_card(folder: Path, record: TrainingRecord) -> None:
    """Write README.md and, last, `diversity_eval.json` into the folder of a trained adapter or model.

    Secrets are taken out of everything, and whatever users or files say is escaped. The base model's licence
    is read from its card if that is on this machine; no network is asked.
    """
    clean = _without_places(without_secrets(record.as_record()), folder)
    settings = dict(clean["settings"])
    adapter = bool(settings.get("lora", True))
    base, revision = str(settings.get("model") or ""), _text_or_none(settings.get("revision"))
    output, card = shown_folder(folder), card_folder(base, revision)
    dataset = str(settings.get("dataset") or "")
    tags = ["diversity-eval", f"loss-{settings.get('loss')}", *(["lora"] if adapter else [])]
    if settings.get("quantization") == "nf4":
        tags.append("qlora")
    merged = clean.get("merged")
    parts = [
        front(
            base, card, "peft" if adapter else "transformers", tags, "adapter" if adapter else "finetune",
            [dataset] if is_hub_id(dataset) else [],
        ),
        f"# {text(Path(output).name)}\n",
        f"{_what(settings, adapter)} of {code(base)}{f' at {code(revision)}' if revision else ''}, trained "
        f"on {code(dataset)} with {loss_words(settings)} by `diversity-eval train`.\n",
        "## Evaluate\n",
        *_evaluation(folder, output, settings, clean["results"].get("compute_dtype"), merged),
        "## Loss\n",
        *_loss(settings),
        "## Data\n",
        *_data(clean["data_report"], clean["provenance"]),
    ]  # fmt: skip
    if isinstance(merged, Mapping):
        parts += ["## Merged checkpoint\n", f"In {code('merged')}. ", *merge_lines(merged)]
    parts += [
        "## Results\n",
        table(
            ["", ""], [[text(_words(name)), text(_value(each))] for name, each in clean["results"].items()]
        ),
        "## Settings\n",
        table(
            ["setting", "value"],
            [[code(k), code(_value(v))] for k, v in settings.items() if v not in (None, [])],
        ),
        "## Licence\n",
        *base_license_lines(base, card),
        *_data_license(clean["provenance"]),
        *(f"{text(note)}\n" for note in clean["license_notes"]),
        "## Versions and hardware\n",
        f"{text(clean['hardware'])}.\n",
        table(["package", "version"], [[text(k), text(v)] for k, v in clean["versions"].items()]),
    ]
    write_text(folder / "README.md", "\n".join(parts))
    share_files(folder, (folder / "README.md").stat().st_mode)
    write_record(folder, "adapter" if adapter else "model", {"training": clean})


def _without_places(record: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Folders of this machine replaced by their last names: a card is for others.

    The base model is named as it was given, since the adapter is of no use without it.
    """
    merged = record.get("merged") or {}
    known = [
        record["settings"].get("dataset"), record["provenance"].get("location"), merged.get("output"),
        merged.get("adapter"), str(folder.absolute()), str(folder.resolve()),
    ]  # fmt: skip
    places = {each for each in known if isinstance(each, str) and Path(each).is_absolute()}
    # The longest first, since one may lie in another.
    return dict(_replaced(record, {each: Path(each).name for each in sorted(places, key=len, reverse=True)}))


def _replaced(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        for place, name in names.items():
            value = value.replace(place, name)
        return value
    if isinstance(value, Mapping):
        return {key: _replaced(each, names) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_replaced(each, names) for each in value]
    return value


def _what(settings: Mapping[str, Any], adapter: bool) -> str:
    if not adapter:
        return "All weights"
    on = " on its weights in NF4" if settings.get("quantization") == "nf4" else ""
    return (
        f"A low-rank adapter (LoRA, rank {text(settings.get('lora_rank'))}, alpha "
        f"{text(settings.get('lora_alpha'))}){on},"
    )


def _loss(settings: Mapping[str, Any]) -> list[str]:
    found = formula(str(settings.get("loss")))
    lines = [block([found], "text")] if found else ["Defined outside of this package.\n"]
    if rows := [[code(name), text(value)] for name, value in loss_parameters(settings).items()]:
        lines.append(table(["parameter", "value"], rows))
    lines.append(
        "Per token of a response: `p` is the probability of the token, `p^b` the same at temperature "
        "`beta`, `det` a factor through which no gradient flows, `l` the token's place among the "
        "response's `L`.\n"
    )
    return lines


def _data(report: Mapping[str, Any], provenance: Mapping[str, Any]) -> list[str]:
    rows = [
        ["rows read", text(report.get("read"))],
        ["rows used", text(report.get("used"))],
        *([f"left out: {text(k)}", text(v)] for k, v in dict(report.get("left_out") or {}).items()),
        *([f"used, but: {text(k)}", text(v)] for k, v in dict(report.get("noted") or {}).items()),
    ]
    shown = {k: v for k, v in provenance.items() if v is not None and k != "license"}
    location = shown.get("location")
    if isinstance(location, str) and Path(location).is_absolute():
        shown["location"] = Path(location).name
    rows += [[text(_words(name)), code(_value(each))] for name, each in shown.items()]
    return [table(["", ""], rows)]


def _data_license(provenance: Mapping[str, Any]) -> list[str]:
    stated = provenance.get("license")
    words = f"its licence: {text(stated)}." if stated else "no licence of it is known."
    return [f"Training data: {words} Check what it says of models trained on the data.\n"]


def _evaluation(
    folder: Path, output: str, settings: Mapping[str, Any], compute_dtype: Any, merged: Any
) -> list[str]:
    """The commands for this adapter or model, with what is to be known about each."""
    base, revision = str(settings.get("model") or ""), _text_or_none(settings.get("revision"))
    if not settings.get("lora", True):
        return [
            block([*evaluation("hf", {"pretrained": output}), *evaluation("vllm", {"pretrained": output})])
        ]
    lines: list[str] = []
    on_base: dict[str, Any] = {"pretrained": base, "revision": revision}
    if settings.get("quantization") == "nf4":
        stored = is_quantised(base)
        small = base if stored else f"{Path(base).name}-nf4"
        make = _quantise(base, revision, small, compute_dtype)
        at_nf4 = revision if stored else None
        on_nf4 = {"pretrained": small, "revision": at_nf4, "peft": output, "tokenizer": output}
        lines += [
            "As it was trained, on weights in NF4:\n",
            block([*([] if stored else [make]), *evaluation("hf", on_nf4)]),
        ]
        if stored:
            return [*lines, *_vllm_on_nf4(output, merged)]
        lines.append(
            "On the original weights, which it has not been trained on, so that the numbers differ:\n"
        )
    lines.append(block(evaluation("hf", {**on_base, "peft": output, "tokenizer": output})))
    config, refused = _adapter_config(folder)
    rank = vllm_max_rank(_largest_rank(config, settings))
    if refused is None and rank is None:
        refused = "of so high a rank"
    if refused is not None:
        lines.append(
            f"vLLM loads no adapter with {refused}: merge it (`diversity-eval train --merge`), and evaluate "
            "the merged checkpoint.\n"
        )
    else:
        adapter_arguments = {"lora_local_path": output, "max_lora_rank": rank, "tokenizer": output}
        lines.append(block(evaluation("vllm", {**on_base, **adapter_arguments})))
    return lines + _merged_command(output, merged)


def _quantise(base: str, revision: str | None, output: str, dtype: Any) -> str:
    """The command that makes the base as training held it."""
    at = ["--revision", revision] if revision else []
    held = ["--dtype", dtype] if dtype in ("float32", "float16") else []
    return shlex.join(["diversity-eval", "quantize", base, *at, *held, "-o", output])


def _vllm_on_nf4(output: str, merged: Any) -> list[str]:
    return _merged_command(output, merged) or [
        "vLLM reads NF4 only with its bitsandbytes plugin; elsewhere merge the adapter (`diversity-eval "
        "train --merge`).\n"
    ]


def _merged_command(output: str, merged: Any) -> list[str]:
    if not isinstance(merged, Mapping):
        return []
    return ["The merged checkpoint:\n", block(evaluation("vllm", {"pretrained": f"{output}/merged"}))]


def is_quantised(base: str) -> bool:
    """Whether the base on this machine is in NF4 itself."""
    folder = card_folder(base, None)
    if folder is None:
        return False
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(config, dict) and bool(config.get("quantization_config"))


def _adapter_config(folder: Path) -> tuple[dict[str, Any], str | None]:
    """The adapter's configuration, and why vLLM would not load it."""
    try:
        config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}, None
    weights = folder / "adapter_model.safetensors"
    tensors = stored_tensors([weights], f"adapter {folder}") if weights.is_file() else {}
    return config, vllm_refuses(config, tensors)


def _largest_rank(config: Mapping[str, Any], settings: Mapping[str, Any]) -> int:
    ranks = [config.get("r", settings.get("lora_rank")), *dict(config.get("rank_pattern") or {}).values()]
    return max((each for each in ranks if isinstance(each, int)), default=16)


def _text_or_none(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _words(name: Any) -> str:
    return str(name).replace("_", " ")


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, dict | list | tuple):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)
