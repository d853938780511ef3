"""A training run from its settings to a folder that others can use."""

import contextlib
import hashlib
import json
import os
import time
from pathlib import Path
from typing import IO, Any

from diversity_eval.errors import DiversityEvalError
from diversity_eval.training.data import TrainingSet
from diversity_eval.training.finishing import TrainResult, finish_run, merge_finished
from diversity_eval.training.output import (
    CHECKPOINTS,
    TENSORBOARD,
    OutputState,
    lock_output,
    open_output,
    write_settings,
)
from diversity_eval.training.processes import is_first, say
from diversity_eval.training.resuming import cut_log, drop_torn
from diversity_eval.training.settings import TrainSettings
from diversity_eval.training.stepping import run_steps

__all__ = ["TrainResult", "train"]


def train(settings: TrainSettings, output: Path, *, overwrite: bool = False) -> TrainResult | None:
    """Train as `settings` say and write adapter or model, tokenizer, card and record to `output`.

    A run that was cut off goes on from its last complete checkpoint, on the same trajectory; a finished one
    is merged if that is asked and was not done. Returns the result, None in all processes but the first of
    several.
    """
    from diversity_eval.training.arguments import check_reporters
    from diversity_eval.training.loading import check_extra

    check_extra(settings)
    check_reporters(settings.report_to)
    state = _shared_state(output, settings, overwrite)
    if state.state == "finished":
        return merge_finished(settings, output)
    run = _Run(settings, output, state)
    try:
        return run.run()
    finally:
        run.close()


class _Run:
    def __init__(self, settings: TrainSettings, output: Path, state: OutputState) -> None:
        self._settings = settings
        self._output = output
        self._state = state
        self._first = is_first()
        self._lock: IO[str] | None = None

    def close(self) -> None:
        """Let other runs into the folder."""
        if self._lock is not None:
            Path(self._lock.name).unlink(missing_ok=True)  # while it is held
            self._lock.close()

    def run(self) -> TrainResult | None:
        from diversity_eval.training.data import load_training_set, prepare_tokenizer, report_lines
        from diversity_eval.training.loading import load_base, load_tokenizer

        settings = self._settings
        tokenizer = load_tokenizer(settings)
        prepared = prepare_tokenizer(tokenizer, settings)
        data = load_training_set(settings, tokenizer)
        if self._first:
            for line in report_lines(data.report):
                say(line)
        loaded = load_base(settings)
        if prepared.new_tokens:
            rows = loaded.model.get_input_embeddings().weight.shape[0]
            loaded.model.resize_token_embeddings(max(len(tokenizer), rows))
        _check_vocabulary(settings.model, loaded.model, data)
        trainer = self._trainer(loaded, tokenizer, data)
        self._announce(trainer, data)
        started = time.monotonic()
        checkpoint = self._state.checkpoint
        steps = run_steps(trainer, checkpoint, self._output)
        seconds = time.monotonic() - started
        left_out = trainer.not_finite["steps"]
        if steps and left_out >= steps:
            raise DiversityEvalError(
                f"not one of {left_out} steps had a finite loss and gradient, so nothing was learnt; "
                f"{_advice()}"
            )
        self._save(trainer, loaded, tokenizer)
        if not self._first:
            return None
        return finish_run(
            settings, self._output, trainer, data,
            steps=steps, resumed_from=self._state.step, seconds=seconds,
        )  # fmt: skip

    def _trainer(self, loaded: Any, tokenizer: Any, data: TrainingSet) -> Any:
        import torch

        from diversity_eval.training.arguments import training_arguments
        from diversity_eval.training.callbacks import callbacks
        from diversity_eval.training.loading import adapter_config
        from diversity_eval.training.losses import check_loss
        from diversity_eval.training.output_layer import LossChoice, OutputLayer, read_output_layer
        from diversity_eval.training.packing import as_dataset, check_packed_attention
        from diversity_eval.training.trainer import trainer_class

        settings, model, name = self._settings, loaded.model, f"model {self._settings.model}"
        layer = read_output_layer(model, name) if settings.fused else OutputLayer(None, 1.0)
        if settings.packing:
            check_packed_attention(model, name)
        arguments = training_arguments(settings, self._output)
        self._prepare_output(data)  # what can be refused has been, so now an earlier run may go
        choice = LossChoice(
            settings.loss, check_loss(settings.loss, settings.loss_parameters), settings.fused
        )
        trainer = trainer_class()(
            choice,
            layer,
            strict=settings.strict,
            model=model,
            args=arguments,
            train_dataset=as_dataset(data.rows, pack_to=settings.max_length if settings.packing else None),
            processing_class=tokenizer,
            peft_config=adapter_config(settings),
            callbacks=callbacks(self._output),
        )
        # SFTTrainer turns the adapter on a quantised base into bfloat16, where small updates are rounded
        # away.
        for parameter in trainer.model.parameters():
            if parameter.requires_grad and parameter.dtype in (torch.bfloat16, torch.float16):
                parameter.data = parameter.data.float()
        return _without_default_bar(trainer)

    def _prepare_output(self, data: TrainingSet) -> None:
        if "tensorboard" in self._settings.report_to:
            os.environ.setdefault("TENSORBOARD_LOGGING_DIR", str(self._output / TENSORBOARD))
        if not self._first:
            return
        self._lock = lock_output(self._output)
        write_settings(self._output, self._settings, _digest(data), replaces=self._state.replaces)
        drop_torn(self._output / CHECKPOINTS, self._state.step)
        cut_log(self._output, self._state.step)

    def _announce(self, trainer: Any, data: TrainingSet) -> None:
        if not self._first:
            return
        trainable = sum(p.numel() for p in trainer.model.parameters() if p.requires_grad)
        what = "adapter" if self._settings.lora else "weights"
        base = "unquantised" if self._settings.quantization == "none" else self._settings.quantization
        say(
            f"{self._settings.loss} on {len(data.rows)} rows; {trainable:,} trainable parameters ({what}), "
            f"{base} base"
        )
        if self._state.checkpoint is not None:
            say(f"goes on from step {self._state.step}")
        elif self._state.state == "resume":
            say("an earlier try left no complete checkpoint, so it starts over")
        if self._settings.lora and any(p.dim() == 3 for p in trainer.model.parameters()):
            say(
                "note: the experts' weights, one tensor for all of them, have no adapter and stay as they are"
            )

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
            with contextlib.suppress(OSError):
                (self._output / CHECKPOINTS).rmdir()  # if it is empty


def _shared_state(output: Path, settings: TrainSettings, overwrite: bool) -> OutputState:
    """What the output folder holds; in all of several processes what the first found, who will change it."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return open_output(output, settings, overwrite=overwrite)
    import torch
    from accelerate import PartialState
    from accelerate.utils import broadcast_object_list

    PartialState(cpu=not torch.cuda.is_available())
    found: list[Any] = [None, ""]
    if is_first():
        try:
            found[0] = open_output(output, settings, overwrite=overwrite)
        except DiversityEvalError as error:
            found[1] = str(error)
    broadcast_object_list(found)
    if found[1]:
        raise DiversityEvalError(found[1])
    state: OutputState = found[0]
    return state


def _without_default_bar(trainer: Any) -> Any:
    from transformers.trainer_callback import PrinterCallback, ProgressCallback

    trainer.remove_callback(PrinterCallback)
    trainer.remove_callback(ProgressCallback)
    return trainer


def _check_vocabulary(name: str, model: Any, data: TrainingSet) -> None:
    most, size = max(max(row.input_ids) for row in data.rows), model.get_input_embeddings().weight.shape[0]
    if most >= size:
        raise DiversityEvalError(
            f"model {name}: its tokenizer writes token {most}, but it has only {size} embeddings; use the "
            "tokenizer that belongs to it"
        )


def _digest(data: TrainingSet) -> str:
    digest = hashlib.sha256()
    for row in data.rows:
        digest.update(json.dumps([row.input_ids, row.labels]).encode())
    return digest.hexdigest()


def _advice() -> str:
    from diversity_eval.training.trainer import NOT_FINITE_ADVICE

    return NOT_FINITE_ADVICE
