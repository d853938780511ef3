"""The cards of checkpoints that were quantised or merged, with their records."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from diversity_eval.data.writing import write_text
from diversity_eval.training.checkpoints.adapter import AdapterFiles
from diversity_eval.training.checkpoints.evaluating import evaluation, shown_folder
from diversity_eval.training.checkpoints.front import base_license_lines, front
from diversity_eval.training.checkpoints.loss_words import loss_words
from diversity_eval.training.checkpoints.markdown import block, code, table, text
from diversity_eval.training.checkpoints.merge_plan import MergePlan
from diversity_eval.training.checkpoints.model_files import ModelFiles
from diversity_eval.training.checkpoints.record import write_record
from diversity_eval.training.checkpoints.reports import MergeReport, QuantizeReport

__all__ = ["INTO_WORDS", "write_merged_card", "write_quantised_card"]

INTO_WORDS = {
    "original": "the original weights in full precision",
    "dequantised": "the dequantised NF4 weights",
}


def write_quantised_card(folder: Path, report: QuantizeReport, source: ModelFiles) -> None:
    """README.md and `diversity_eval.json` of a checkpoint in NF4."""
    output = shown_folder(Path(report.output))
    record = {**report.as_record(), "output": output}
    write_record(folder, "quantised", record)
    error, tags = report.error, ["diversity-eval", "nf4", "bitsandbytes"]
    share = report.quantised_parameters / report.parameters
    rows = [
        ["quantised", f"{report.matrices} matrices, {share:.1%} of {report.parameters:,} weights"],
        ["the others are in", text(report.dtype)],
        ["size", f"{_size(report.bytes_before)} ({text(report.source_dtype)}) → {_size(report.bytes_after)}"],
        ["error, relative", f"{error.relative:.4f} (norm of the difference over norm of the weights)"],
        ["error, mean absolute", f"{error.mean_absolute:.3g} (largest: {error.largest:.3g})"],
        ["worst matrix", f"{code(error.worst)}: {error.worst_relative:.4f}"],
        ["measured over", f"{error.matrices} of {report.matrices} matrices"],
    ]
    content = [
        front(report.model, source.folder, "transformers", tags, "quantized"),
        f"# {text(Path(output).name)}\n",
        f"{code(report.model)}{_at(report.commit or report.revision)} with its linear layers in NF4: four "
        "bits a weight in blocks of 64, scales quantised again (double quantisation), made by "
        f"`diversity-eval quantize`. Layers compute in {text(report.dtype)}. No training was done.\n",
        table(["", ""], rows),
        "## Evaluate\n",
        block(evaluation("hf", {"pretrained": output})),
        "The configuration carries its `quantization_config`: no further arguments are needed, and "
        "`load_in_4bit=True` beside it fails. transformers and peft load the folder by its name, with "
        "bitsandbytes installed; vLLM needs its bitsandbytes plugin.\n",
        "## Licence\n",
        *base_license_lines(report.model, source.folder),
        "## Source\n",
        "SHA-256 of the weights that were quantised:\n",
        _digests(report.source_sha256),
        _versions(report.versions),
    ]  # fmt: skip
    write_text(folder / "README.md", "\n".join(content))


def write_merged_card(folder: Path, report: MergeReport, adapter: AdapterFiles, plan: MergePlan) -> None:
    """README.md and `diversity_eval.json` of a merged checkpoint."""
    output = shown_folder(Path(report.output))
    record = {**report.as_record(), "output": output, "adapter": shown_folder(Path(report.adapter))}
    write_record(folder, "merged", {**record, "training": dict(adapter.training)})
    content = [
        front(report.base, plan.into.files.folder, "transformers", ["diversity-eval", "merged"], "finetune"),
        f"# {text(Path(output).name)}\n",
        f"The LoRA adapter {code(shown_folder(Path(report.adapter)))} merged into "
        f"**{INTO_WORDS[report.onto]}** of {code(report.base)}{_at(report.revision)} "
        f"({text(report.reason)}). A plain checkpoint in {text(report.dtype)}; it needs neither peft nor "
        "bitsandbytes.\n",
        *_training(adapter.training),
        "## What it was merged into\n",
        *merge_lines(report.as_record()),
        "## Evaluate\n",
        block([*evaluation("hf", {"pretrained": output}), *evaluation("vllm", {"pretrained": output})]),
        "## Licence\n",
        *base_license_lines(report.base, plan.into.files.folder),
        "## Source\n",
        "SHA-256 of the weights that were merged:\n",
        _digests({"adapter": report.adapter_sha256, **report.base_sha256}),
        _versions(report.versions),
    ]  # fmt: skip
    write_text(folder / "README.md", "\n".join(content))


def merge_lines(merged: Mapping[str, Any]) -> list[str]:
    """What a merge went into, and the measured differences, as paragraphs."""
    check = dict(merged.get("check") or {})
    onto = str(merged.get("onto"))
    lines = [f"{INTO_WORDS.get(onto, text(onto)).capitalize()}: {text(merged.get('reason'))}.\n"]
    lines.append(
        f"Largest differences of logits over {text(check.get('tokens'))} tokens of one sentence, computed "
        f"in {text(check.get('computed_in'))}:\n"
    )
    rows = [
        ["merged, and the adapter on the weights it was merged into", _number(check.get("from_adapter"))],
        ["merged, and the adapter on the weights it was trained on", _number(check.get("from_training"))],
        ["the adapter's own effect: with it, and without", _number(check.get("effect"))],
        ["range of the logits", _number(check.get("range"))],
    ]
    lines.append(table(["between", "largest difference"], rows))
    if onto == "original" and merged.get("trained_on") == "nf4":
        lines.append(
            "The adapter was trained on NF4 weights. In the original ones it meets weights that it has not "
            "seen, so this is not quite the model that was trained.\n"
        )
    if merged.get("untied"):
        lines.append("Input and output embeddings were one matrix in the base and are two here.\n")
    return lines


def _training(training: Mapping[str, Any]) -> list[str]:
    settings = training.get("settings")
    if not isinstance(settings, Mapping):
        return []
    return [f"The adapter was trained on {code(settings.get('dataset'))} with {loss_words(settings)}.\n"]


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, int | float) else "not known"


def _at(revision: str | None) -> str:
    return f" at {code(revision)}" if revision else ""


def _size(count: int) -> str:
    return f"{count / 1e6:,.1f} MB" if count < 1e9 else f"{count / 1e9:,.2f} GB"


def _versions(versions: Mapping[str, str]) -> str:
    made = ", ".join(f"{text(name)} {text(version)}" for name, version in versions.items())
    return f"Made with {made}.\n"


def _digests(files: Mapping[str, str]) -> str:
    return block([f"{digest}  {name}" for name, digest in files.items()], "text")
