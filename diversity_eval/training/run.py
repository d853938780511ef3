"""A training run from its settings to a folder that others can use."""

import hashlib
import json
import platform
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diversity_eval.errors import DiversityEvalError
from diversity_eval.training.data import TrainingSet
from diversity_eval.training.output import (
    CHECKPOINTS,
    RECORD_FILE,
    OutputState,
    open_output,
    write_settings,
)
from diversity_eval.training.settings import TrainSettings
from diversity_eval.versions import versions_of

__all__ = ["TrainResult", "train"]

_VERSIONS = ("torch", "transformers", "trl", "peft", "accelerate", "bitsandbytes", "datasets")


@dataclass(frozen=True)
class TrainResult:
    """What came out of a run.

    `steps` optimiser steps over `tokens` counting tokens took `seconds`, the last part of a resumed run only;
    `loss` is the mean over the run's logged steps, the `last_` ones are of its last logged window.
    """

    output: Path
    steps: int
    resumed_from: int
    seconds: float
    loss: float
    last_loss: float | None
    last_p_label: float | None
    last_entropy: float | None
    not_finite: dict[str, int]
    merged: Path | None


def train(settings: TrainSettings, output: Path, *, overwrite: bool = False) -> TrainResult | None:
    """Train as `settings` say and write adapter or model, tokenizer, card and record to `output`.

    A run that was cut off goes on from its last complete checkpoint, on the same trajectory. Returns the result; None
    in all processes but the first of several, and for a finished run that had nothing left to do.
    """
    from diversity_eval.training.loading import check_extra

    check_extra(settings)
    state = open_output(output, settings, overwrite=overwrite and _is_first())
    if state.state == "finished":
        return _finished(settings, output)
    run = _Run(settings, output, state)
    return run.run()


class _Run:
    def __init__(self, settings: TrainSettings, output: Path, state: OutputState) -> None:
        self._settings = settings
        self._output = output
        self._state = state
        self._first = _is_first()

    def run(self) -> TrainResult | None:
        from diversity_eval.training.data import load_training_set, prepare_tokenizer, report_lines
        from diversity_eval.training.loading import load_base, load_tokenizer

        settings = self._settings
        tokenizer = load_tokenizer(settings)
        prepared = prepare_tokenizer(tokenizer, settings)
        data = load_training_set(settings, tokenizer)
        if self._first:
            for line in report_lines(data.report):
                _say(line)
            write_settings(self._output, settings, _digest(data))
        loaded = load_base(settings)
        if prepared.new_tokens:
            loaded.model.resize_token_embeddings(max(len(tokenizer), loaded.model.config.vocab_size))
        _check_vocabulary(settings.model, loaded.model, data)
        trainer = self._trainer(loaded, tokenizer, data)
        self._announce(trainer, data)
        started = time.monotonic()
        checkpoint = self._state.checkpoint
        if checkpoint is not None and self._first:
            from diversity_eval.training.callbacks import cut_log

            cut_log(self._output, self._state.step)
        outcome = trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        seconds = time.monotonic() - started
        skipped = trainer.not_finite["gradient"]
        if outcome.global_step and skipped >= outcome.global_step - self._state.step:
            raise DiversityEvalError(
                f"not one of {skipped} steps had a finite gradient, so nothing was learnt; {_advice()}"
            )
        self._save(trainer, loaded, tokenizer)
        if not self._first:
            return None
        return self._finish(trainer, loaded, data, outcome, seconds)

    def _trainer(self, loaded: Any, tokenizer: Any, data: TrainingSet) -> Any:
        import torch

        from diversity_eval.training.callbacks import callbacks
        from diversity_eval.training.loading import adapter_config
        from diversity_eval.training.losses import check_loss
        from diversity_eval.training.output_layer import LossChoice, OutputLayer, read_output_layer
        from diversity_eval.training.packing import as_dataset, check_packed_attention
        from diversity_eval.training.trainer import trainer_class

        settings, model = self._settings, loaded.model
        layer = read_output_layer(model, f"model {settings.model}") if settings.fused else OutputLayer(None, 1.0)
        if settings.packing:
            check_packed_attention(model, f"model {settings.model}")
        choice = LossChoice(settings.loss, check_loss(settings.loss, settings.loss_parameters), settings.fused)
        trainer = trainer_class()(
            choice,
            layer,
            strict=settings.strict,
            model=model,
            args=_arguments(settings, self._output),
            train_dataset=as_dataset(data.rows, pack_to=settings.max_length if settings.packing else None),
            processing_class=tokenizer,
            peft_config=adapter_config(settings),
            callbacks=callbacks(self._output),
        )
        # SFTTrainer turns the adapter on a quantised base into bfloat16, where updates of this size are rounded away.
        for parameter in trainer.model.parameters():
            if parameter.requires_grad and parameter.dtype in (torch.bfloat16, torch.float16):
                parameter.data = parameter.data.float()
        return _without_default_bar(trainer)

    def _announce(self, trainer: Any, data: TrainingSet) -> None:
        if not self._first:
            return
        trainable = sum(p.numel() for p in trainer.model.parameters() if p.requires_grad)
        what = "adapter" if self._settings.lora else "weights"
        _say(
            f"{self._settings.loss} on {len(data.rows)} rows; {trainable:,} trainable parameters ({what}), "
            f"{self._settings.quantization if self._settings.quantization != 'none' else 'unquantised'} base"
        )
        if self._state.checkpoint is not None:
            _say(f"goes on from step {self._state.step}")

    def _save(self, trainer: Any, loaded: Any, tokenizer: Any) -> None:
        """Adapter or model, and the tokenizer with its chat template."""
        import torch

        trainer.accelerator.wait_for_everyone()
        if not self._settings.lora and self._first:
            # As the base checkpoint has them, so that the result is of its size and loads as it does.
            dtype = getattr(torch, loaded.source_dtype, torch.float32)
            trainer.model.to(dtype)
        trainer.save_model(str(self._output))
        if self._first:
            tokenizer.save_pretrained(str(self._output))
            (self._output / "training_args.bin").unlink(missing_ok=True)  # a pickle, which nobody should load

    def _finish(self, trainer: Any, loaded: Any, data: TrainingSet, outcome: Any, seconds: float) -> TrainResult:
        from diversity_eval.training.checkpoints import TrainingRecord, write_model_card

        settings, history = self._settings, [row for row in trainer.state.log_history if "p_label" in row]
        last = history[-1] if history else {}
        result = TrainResult(
            output=self._output,
            steps=outcome.global_step,
            resumed_from=self._state.step,
            seconds=seconds,
            loss=sum(row["loss"] for row in history) / max(len(history), 1),
            last_loss=last.get("loss"),
            last_p_label=last.get("p_label"),
            last_entropy=last.get("entropy"),
            not_finite=dict(trainer.not_finite),
            merged=self._output / "merged" if settings.merge else None,
        )
        record = TrainingRecord(
            settings=settings.as_record(),
            data_report=vars(data.report),
            provenance=data.provenance,
            results={
                "steps": result.steps,
                "resumed_from_step": result.resumed_from,
                "seconds": round(seconds, 1),
                "mean_logged_loss": result.loss,
                "last_loss": result.last_loss,
                "last_p_label": result.last_p_label,
                "last_entropy": result.last_entropy,
                "not_finite": result.not_finite,
                "processes": trainer.accelerator.num_processes,
                "optimizer": str(getattr(trainer.args.optim, "value", trainer.args.optim)),
                "compute_dtype": str(_compute_dtype(settings)).removeprefix("torch."),
            },
            versions=versions_of(_VERSIONS),
            hardware=_hardware(),
        )
        if settings.merge:
            from diversity_eval.training.checkpoints import merge_adapter

            merge_adapter(self._output, self._output / "merged", overwrite=True)
        write_model_card(self._output, record)  # with the record, which marks the run as finished: last
        return result


def _arguments(settings: TrainSettings, output: Path) -> Any:
    import torch
    from trl import SFTConfig

    on_gpu = torch.cuda.is_available()
    optimizer = settings.optimizer
    if optimizer == "auto":
        optimizer = "paged_adamw_8bit" if on_gpu else "adamw_torch"
    if optimizer == "paged_adamw_8bit" and not on_gpu:
        raise DiversityEvalError("optimizer paged_adamw_8bit needs CUDA; use adamw_torch, or auto")
    return SFTConfig(
        output_dir=str(output / CHECKPOINTS),
        per_device_train_batch_size=settings.batch_size,
        gradient_accumulation_steps=settings.accumulation,
        num_train_epochs=settings.epochs,
        max_steps=settings.max_steps if settings.max_steps is not None else -1,
        learning_rate=settings.learning_rate,
        lr_scheduler_type=settings.schedule,
        warmup_steps=settings.warmup_steps,
        weight_decay=settings.weight_decay,
        optim=optimizer,
        max_grad_norm=settings.max_grad_norm,
        neftune_noise_alpha=settings.neftune_alpha,
        gradient_checkpointing=settings.gradient_checkpointing,
        bf16=_compute_dtype(settings) == torch.bfloat16,
        use_cpu=not on_gpu,
        seed=settings.seed,
        logging_steps=settings.log_steps,
        logging_first_step=True,
        logging_nan_inf_filter=False,
        save_strategy="no" if settings.save_steps is None else "steps",
        save_steps=settings.save_steps or 500,
        save_total_limit=2,
        report_to=list(settings.report_to) or "none",
        run_name=output.name,
        disable_tqdm=True,
        dataloader_pin_memory=on_gpu,
        average_tokens_across_devices=True,
        ddp_find_unused_parameters=False,
        dataset_kwargs={"skip_prepare_dataset": True},
        max_length=settings.max_length,
        packing=settings.packing,
        router_aux_loss_coef=0.0,  # the losses under comparison, and nothing beside them
        trust_remote_code=False,
    )


def _without_default_bar(trainer: Any) -> Any:
    from transformers.trainer_callback import PrinterCallback, ProgressCallback

    trainer.remove_callback(PrinterCallback)
    trainer.remove_callback(ProgressCallback)
    return trainer


def _finished(settings: TrainSettings, output: Path) -> None:
    """A finished run: merged now if that is asked and was not done, else an error."""
    if settings.merge and not (output / "merged").exists():
        from diversity_eval.training.checkpoints import merge_adapter

        merge_adapter(output, output / "merged")
        _say(f"{output}: was finished already; merged into {output / 'merged'}")
        return
    raise DiversityEvalError(f"{output}: holds this run, finished; choose another folder, or --overwrite")


def _check_vocabulary(name: str, model: Any, data: TrainingSet) -> None:
    most, size = max(max(row.input_ids) for row in data.rows), model.get_input_embeddings().weight.shape[0]
    if most >= size:
        raise DiversityEvalError(
            f"model {name}: its tokenizer writes token {most}, but it has only {size} embeddings; use the tokenizer that "
            "belongs to it"
        )


def _digest(data: TrainingSet) -> str:
    digest = hashlib.sha256()
    for row in data.rows:
        digest.update(json.dumps([row.input_ids, row.labels]).encode())
    return digest.hexdigest()


def _compute_dtype(settings: TrainSettings) -> Any:
    from diversity_eval.training.loading import compute_dtype

    return compute_dtype(settings)


def _hardware() -> str:
    import torch

    if torch.cuda.is_available():
        return f"{torch.cuda.device_count()} x {torch.cuda.get_device_name(0)}"
    return f"CPU ({platform.machine()}), {torch.get_num_threads()} threads"


def _advice() -> str:
    from diversity_eval.training.trainer import NOT_FINITE_ADVICE

    return NOT_FINITE_ADVICE


def _is_first() -> bool:
    import os

    return os.environ.get("RANK", "0") == "0"


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
