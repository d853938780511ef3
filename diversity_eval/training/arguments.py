"""The settings as TRL's arguments, and what of them the machine cannot do."""

from difflib import get_close_matches
from pathlib import Path
from typing import Any

from diversity_eval.errors import DiversityEvalError
from diversity_eval.training.loading import compute_dtype
from diversity_eval.training.output import CHECKPOINTS
from diversity_eval.training.settings import TrainSettings

__all__ = ["check_reporters", "training_arguments"]

# Where the package is not called as its reporter.
_PACKAGES = {"azure_ml": "azureml-mlflow", "comet_ml": "comet-ml", "flyte": "flytekitplugins-deck-standard"}


def training_arguments(settings: TrainSettings, output: Path) -> Any:
    """The `SFTConfig` of a run. Raises DiversityEvalError if the optimiser needs a GPU and there is none."""
    import torch
    from trl import SFTConfig

    on_gpu = torch.cuda.is_available()
    optimizer = settings.optimizer
    if optimizer == "auto":
        optimizer = "paged_adamw_8bit" if on_gpu else "adamw_torch"
    if optimizer == "paged_adamw_8bit" and not on_gpu:
        raise DiversityEvalError("optimizer paged_adamw_8bit needs CUDA; use adamw_torch, or auto")
    arguments = SFTConfig(
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
        bf16=compute_dtype(settings) == torch.bfloat16,
        use_cpu=not on_gpu,
        seed=settings.seed,
        logging_steps=settings.log_steps,
        logging_first_step=True,
        logging_nan_inf_filter=False,
        save_strategy="steps" if settings.save_steps else "no",
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
    if arguments.n_gpu > 1:
        # Several GPUs of one process (DataParallel) would split the batches; a launcher starts one process
        # each.
        arguments._n_gpu = 1
    return arguments


def check_reporters(names: tuple[str, ...]) -> None:
    """Raise DiversityEvalError if one of `report_to` does not exist, or its library is not installed."""
    if not names or names == ("all",):
        return
    from transformers.integrations.integration_utils import INTEGRATION_TO_CALLBACK

    for name in names:
        if name not in INTEGRATION_TO_CALLBACK:
            close = get_close_matches(name, INTEGRATION_TO_CALLBACK, n=1)
            hint = f"did you mean {close[0]}?" if close else f"expected {', '.join(INTEGRATION_TO_CALLBACK)}"
            raise DiversityEvalError(f"report_to: there is no reporter {name!r}; {hint}")
        try:
            INTEGRATION_TO_CALLBACK[name]()
        except Exception as error:  # each complains in a way of its own
            package = _PACKAGES.get(name, name)
            raise DiversityEvalError(
                f"report_to {name}: cannot be used ({' '.join(str(error).split())}); pip install {package}"
            ) from None
