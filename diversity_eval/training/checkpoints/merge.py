"""Writing an adapter and its base as one plain checkpoint, and saying which weights it went into."""

import time
from pathlib import Path
from typing import Any, Literal

from diversity_eval.errors import DiversityEvalError
from diversity_eval.training.checkpoints.adapter import AdapterFiles, read_adapter
from diversity_eval.training.checkpoints.adapter_on_base import attach, merge_into_base
from diversity_eval.training.checkpoints.checkpoint_cards import write_merged_card
from diversity_eval.training.checkpoints.folders import (
    LICENSE_FILES,
    PROCESSOR_FILES,
    check_space,
    copy_files,
    has_tokenizer,
    new_folder,
)
from diversity_eval.training.checkpoints.logits import (
    CHECK_TEXT,
    check_tokens,
    largest_difference,
    logits_of,
    room_for_float32,
)
from diversity_eval.training.checkpoints.merge_plan import MergePlan, Onto, Weights, plan_merge
from diversity_eval.training.checkpoints.model_files import DTYPES, check_libraries, find_model
from diversity_eval.training.checkpoints.models import load_model, load_tokenizer, save_model
from diversity_eval.training.checkpoints.nf4 import dequantise, nf4_config
from diversity_eval.training.checkpoints.record import TrainingRecord
from diversity_eval.training.checkpoints.reports import MergeCheck, MergeReport
from diversity_eval.versions import versions_of

__all__ = ["merge_adapter"]

_LIBRARIES = ("torch", "transformers", "accelerate", "peft")
_VERSIONS = ("torch", "transformers", "peft", "bitsandbytes", "safetensors")
# Largest difference from the adapter on the same weights, as a share of the logits' range, that rounding can
# explain.
_ROUNDING = {"float32": 0.001, "float16": 0.05, "bfloat16": 0.2}


def merge_adapter(
    adapter: Path | str,
    output: Path | str,
    *,
    base: str | None = None,
    onto: Onto | None = None,
    dtype: Literal["bfloat16", "float16", "float32"] | None = None,
    overwrite: bool = False,
    training: TrainingRecord | None = None,
) -> MergeReport:
    """Write the adapter merged into its base as a plain checkpoint that loads in transformers and vLLM.

    `onto` says into which weights: `original`, those in full precision, or `dequantised`, what NF4 makes of
    them. By default it is what the adapter was trained on, so that the merged model is the trained one:
    `dequantised` for a base in NF4, else `original` (reasons: docs/design/checkpoints.md). The sum is
    computed in float32 and saved in the original weights' dtype or `dtype`. `base` is used instead of the
    model that the adapter names. `training` is the record of the run if the adapter's folder has none yet.

    Raises DiversityEvalError: a library is missing; adapter or base can't be had or don't fit together; it is
    not known what the base was quantised from; `output` is not empty (unless `overwrite`) or there is no
    room; or the merged checkpoint, read back, does not say what the adapter on its base says.
    """
    started = time.monotonic()
    check_libraries(_LIBRARIES, "merging")
    if dtype is not None and dtype not in DTYPES:
        raise DiversityEvalError(f"dtype {dtype!r}: expected {', '.join(DTYPES)}")
    output = Path(output)
    files = read_adapter(Path(adapter).expanduser(), None if training is None else training.as_record())
    plan = plan_merge(files, base, onto)
    if plan.into.form != "plain":
        check_libraries(("bitsandbytes",), "merging into dequantised weights")
    tokenizer_folder = next(
        (each for each in (files.folder, plan.into.files.folder) if has_tokenizer(each)), None
    )
    if tokenizer_folder is None:
        raise DiversityEvalError(
            f"adapter {adapter}: neither it nor its base has a tokenizer; put one into it"
        )
    tokenizer = load_tokenizer(tokenizer_folder, str(tokenizer_folder))
    written = dtype or plan.dtype
    with new_folder(output, overwrite=overwrite, inputs=[files.folder, plan.into.files.folder]) as folder:
        work = "float32" if room_for_float32(plan.parameters) else plan.dtype
        check_space(
            folder, int(plan.parameters * DTYPES[written] * 1.02) + (1 << 20), f"merged model {output}"
        )
        merger = _Merger(files, plan, tokenizer, written, work)
        merged, adapted, effect = merger.merge()
        untied = merger.untied
        vocabulary = int(adapted.shape[-1])
        parameters = sum(each.numel() for each in merged.parameters())
        save_model(
            merged, folder, tokenizer=tokenizer_folder, generation=[files.folder, plan.into.files.folder]
        )
        copy_files(plan.into.files.folder, (*LICENSE_FILES, *PROCESSOR_FILES), folder)
        del merged
        check = merger.check(folder, adapted, effect)
        report = MergeReport(
            adapter=str(adapter),
            adapter_sha256=files.sha256(),
            base=plan.into.files.name,
            revision=plan.into.files.revision,
            base_sha256=plan.into.files.sha256(),
            onto=plan.onto,
            reason=plan.reason,
            trained_on=plan.trained_on,
            output=str(output),
            dtype=written,
            parameters=parameters,
            vocabulary=vocabulary,
            untied=untied,
            bytes=sum(path.stat().st_size for path in folder.glob("*.safetensors")),
            check=check,
            seconds=round(time.monotonic() - started, 1),
            versions=versions_of(_VERSIONS),
        )
        write_merged_card(folder, report, files, plan)
    return report


class _Merger:
    """The steps of one merge, each holding one model in memory."""

    def __init__(
        self, adapter: AdapterFiles, plan: MergePlan, tokenizer: Any, written: str, work: str
    ) -> None:
        self._adapter = adapter
        self._plan = plan
        self._tokenizer = tokenizer
        self._written = written
        self._work = work
        self._ids: list[int] = []
        self.untied = False

    def merge(self) -> tuple[Any, Any, float]:
        """The merged model in its final dtype, the logits of the adapter on the same weights, and its
        effect.
        """
        import torch

        base = self._base(self._plan.into)
        self._ids = check_tokens(self._tokenizer, base.get_input_embeddings().weight.shape[0])
        alone = logits_of(base, self._ids)
        model = self._attach(base, self._plan.into)
        adapted = logits_of(model, self._ids)
        effect = largest_difference(adapted[:, : alone.shape[1]], alone[:, : adapted.shape[1]])
        merged, self.untied = merge_into_base(model, f"adapter {self._adapter.folder}")
        saved = merged.state_dict(keep_vars=True)  # tied weights are one parameter under two names
        for name, tensor in saved.items():
            if tensor.is_floating_point():
                tensor.data = tensor.data.to(getattr(torch, self._dtype_of(name)))
        return merged, adapted, effect

    def check(self, folder: Path, adapted: Any, effect: float) -> MergeCheck:
        """Compare what was written with the adapter on its base.

        Raises DiversityEvalError if they differ by more than rounding.
        """
        import torch

        files = find_model(str(folder))
        if files.quantization:
            raise DiversityEvalError(
                f"{folder.name}: the merged checkpoint came out quantised; nothing was kept"
            )
        merged = logits_of(load_model(files, getattr(torch, self._work)), self._ids)
        difference, spread = largest_difference(merged, adapted), float(adapted.max() - adapted.min())
        exact = self._work == self._plan.into.held_in(self._work) == "float32"
        limit = _ROUNDING[self._written if exact else "bfloat16"] * spread
        if not difference <= limit:  # nan too
            raise DiversityEvalError(
                f"adapter {self._adapter.folder}: the merged model's logits differ from the adapter's by "
                f"{difference:.3g}, with a range of {spread:.3g}: more than rounding to {self._written} "
                "explains, so nothing was kept. Evaluate the adapter on its base instead, or merge with "
                "dtype float32"
            )
        trained: float | None = difference
        if self._plan.trained_with is None:
            trained = None
        elif (weights := self._plan.trained_with) is not self._plan.into:
            trained = largest_difference(
                merged, logits_of(self._attach(self._base(weights), weights), self._ids)
            )
        return MergeCheck(
            text=CHECK_TEXT,
            tokens=len(self._ids),
            computed_in=self._work,
            from_adapter=difference,
            from_training=trained,
            effect=effect,
            range=spread,
        )

    def _base(self, weights: Weights) -> Any:
        """The plain model, in the dtype for computing."""
        import torch

        work, form = getattr(torch, self._work), weights.form
        if form == "plain":
            return load_model(weights.files, work)
        if form == "stored nf4":
            return dequantise(load_model(weights.files, work), work)
        held = getattr(torch, weights.held_in(self._work))
        return dequantise(load_model(weights.files, held, quantization=nf4_config(held)), work)

    def _attach(self, model: Any, weights: Weights) -> Any:
        return attach(model, self._adapter, weights.files, len(self._tokenizer))

    def _dtype_of(self, name: str) -> str:
        """As the checkpoint is written, but for what the base keeps in float32 among narrower weights."""
        stored = self._plan.into.files.tensors.get(name)
        kept = stored is not None and stored.dtype == "float32" and self._plan.into.files.dtype != "float32"
        return "float32" if kept else self._written
