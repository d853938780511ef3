"""Rows as the trainer's data set, several in one sequence if asked."""

from typing import Any

from diversity_eval.errors import DiversityEvalError
from diversity_eval.training.data import EncodedRow

__all__ = ["as_dataset", "check_packed_attention"]


def as_dataset(rows: list[EncodedRow], *, pack_to: int | None = None) -> Any:
    """A `datasets.Dataset` of input ids and labels; packed into sequences of `pack_to` tokens if that is given.

    A row is never cut by packing (best fit, longest first), so that each response stays whole.
    """
    from datasets import Dataset

    dataset = Dataset.from_dict(
        {"input_ids": [row.input_ids for row in rows], "labels": [row.labels for row in rows]}
    )
    if pack_to is None:
        return dataset
    from datasets import disable_progress_bars, enable_progress_bars
    from trl import pack_dataset

    disable_progress_bars()
    try:
        return pack_dataset(dataset, pack_to, strategy="bfd")
    finally:
        enable_progress_bars()


def check_packed_attention(model: Any, name: str) -> None:
    """Raise DiversityEvalError if a model's attention looks from one packed row into another.

    Whether it keeps rows apart, given their position ids, depends on the architecture and the kind of attention; most
    that don't say nothing. So two short rows are run alone and packed, and the logits compared.
    """
    import torch

    vocabulary = int(model.config.get_text_config().vocab_size)
    device = model.get_input_embeddings().weight.device
    first = torch.tensor([[(11 + 101 * i) % vocabulary for i in range(9)]], device=device)
    second = torch.tensor([[(5 + 211 * i) % vocabulary for i in range(7)]], device=device)
    positions = torch.cat([torch.arange(9), torch.arange(7)]).unsqueeze(0).to(device)
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            alone = model(input_ids=second, use_cache=False).logits[0].float()
            both = torch.cat([first, second], dim=1)
            packed = model(input_ids=both, position_ids=positions, use_cache=False).logits[0, 9:].float()
            # A mask that hides nothing makes one text of the two: what happens if they are not kept apart.
            open_mask = torch.ones_like(both)
            mixed = model(input_ids=both, position_ids=positions, attention_mask=open_mask, use_cache=False)
    finally:
        model.train(training)
    largest = float(alone.abs().max())
    difference = float((alone - packed).abs().max()) / largest
    if_mixed = float((alone - mixed.logits[0, 9:].float()).abs().max()) / largest
    if not difference <= max(1e-4, 0.2 * if_mixed):
        raise DiversityEvalError(
            f"{name}: its attention looks from one packed row into another (the logits differ by {difference:.2g} of the "
            "largest), so packing would train on mixed rows; use --no-packing, or an attention that keeps them apart"
        )
