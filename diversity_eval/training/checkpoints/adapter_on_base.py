"""An adapter put on a plain model, and merged into it."""

import warnings
from typing import Any

from diversity_eval.errors import DiversityEvalError
from diversity_eval.training.checkpoints.adapter import AdapterFiles
from diversity_eval.training.checkpoints.model_files import ModelFiles, said
from diversity_eval.training.checkpoints.models import load_tokenizer

__all__ = ["attach", "merge_into_base"]


def attach(model: Any, adapter: AdapterFiles, base: ModelFiles, tokens: int) -> Any:
    """The model with the adapter on it. `tokens` is the length of the tokenizer that goes with it.

    A vocabulary that training enlarged is enlarged here. Raises DiversityEvalError if adapter and model don't
    fit, or nobody knows the embeddings of new tokens.
    """
    from peft import PeftModel, get_peft_model_state_dict

    what = f"adapter {adapter.folder}"
    rows = model.get_input_embeddings().weight.shape[0]
    wanted = adapter.vocabulary or rows
    if tokens > wanted and tokens > len(load_tokenizer(base.folder, base.name)):
        raise DiversityEvalError(
            f"{what}: its tokenizer has {tokens} tokens, the base {base.name} {rows} embeddings, and none "
            "come with the adapter for the new ones; use the tokenizer that belongs to the adapter"
        )
    if wanted != rows:
        model.resize_token_embeddings(wanted, mean_resizing=False)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what they are about is checked below
            adapted = PeftModel.from_pretrained(model, str(adapter.folder), is_trainable=False)
            expected = set(get_peft_model_state_dict(adapted, save_embedding_layers=False))
    except Exception as error:  # somebody's files
        raise DiversityEvalError(
            f"{what}: does not fit the base {base.name}: {said(error)}; name its base (base=...)"
        ) from None
    missing = sorted(expected - set(adapter.tensors))
    surplus = sorted(name for name in set(adapter.tensors) - expected if "lora_" in name)
    if missing or surplus:
        raise DiversityEvalError(
            f"{what}: does not fit the base {base.name}: "
            + (
                f"it has no weights for {missing[0]}"
                if missing
                else f"the base has no place for {surplus[0]}"
            )
            + "; name its base (base=...)"
        )
    return adapted.eval()


def merge_into_base(adapted: Any, what: str) -> tuple[Any, bool]:
    """The plain model with the adapter in its weights, each sum computed in float32; whether tied embeddings
    had to be parted for it.

    Raises DiversityEvalError if a sum is not finite or the adapter is of a kind that peft can't merge.
    """
    import torch
    from peft.tuners.tuners_utils import BaseTunerLayer

    tied = bool(getattr(adapted.get_base_model().config.get_text_config(), "tie_word_embeddings", False))
    users = _users_of_weights(adapted)
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            for module in list(adapted.modules()):
                if not isinstance(module, BaseTunerLayer) or not hasattr(module, "merge"):
                    continue
                base = module.get_base_layer()
                weight = getattr(base, "weight", None)
                if weight is None:
                    continue
                if users.get(weight.data_ptr(), 0) > 1:
                    # Merging into a weight that is shared would change the other layer too.
                    base.weight = torch.nn.Parameter(weight.detach().clone(), requires_grad=False)
                dtype = weight.dtype
                base.to(torch.float32)
                module.merge(safe_merge=True)
                base.to(dtype)
            merged = adapted.merge_and_unload(safe_merge=True)
    except Exception as error:  # peft raises many kinds
        raise DiversityEvalError(f"{what}: cannot be merged: {said(error)}") from None
    parted = tied and not _is_tied(merged)
    if parted:
        merged.config.get_text_config().tie_word_embeddings = False
        merged.config.tie_word_embeddings = False
    return merged, parted


def _is_tied(model: Any) -> bool:
    head, embeddings = model.get_output_embeddings(), model.get_input_embeddings()
    if head is None or embeddings is None:
        return False
    return bool(head.weight.data_ptr() == embeddings.weight.data_ptr())


def _users_of_weights(model: Any) -> dict[int, int]:
    """How many layers use each weight, by its address."""
    users: dict[int, int] = {}
    for module in model.modules():
        weight = module._parameters.get("weight")
        if weight is not None:
            users[weight.data_ptr()] = users.get(weight.data_ptr(), 0) + 1
    return users
