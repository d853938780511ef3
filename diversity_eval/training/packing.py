"""Rows as the trainer's data set, several in one sequence if asked."""

from typing import Any

from diversity_eval.errors import DiversityEvalError
from diversity_eval.training.data import EncodedRow

__all__ = ["as_dataset", "check_packed_attention"]


def as_dataset(rows: list[EncodedRow], *, pack_to: int | None = None) -> Any:
    """A `datasets.Dataset` of input ids and labels; in sequences of `pack_to` tokens if that is given.

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
    """Raise DiversityEvalError if a model looks from one packed row into another.

    Whether it keeps rows apart, given their position ids, depends on the architecture and the kind of
    attention; most that don't say nothing. So a row is run alone and behind others: its logits must be the
    same, and must not depend on what the others are. A recurrent layer's state may leak little, and still
    leaks.
    """
    import torch

    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            largest, apart, leak, mixed = _packed_differences(model)
    except Exception as error:  # any model's code
        raise DiversityEvalError(
            f"{name}: cannot run rows packed by their position ids ({type(error).__name__}: {error}); "
            "use --no-packing"
        ) from None
    finally:
        model.train(training)
    exact = model.dtype in (torch.float32, torch.float64)
    alike = apart <= (1e-4 * largest if exact else max(1e-4 * largest, 0.2 * mixed))
    # What is hidden has the weight 0, so not even rounding may differ; but where tokens share experts, those
    # of another row change the sizes of the products.
    rounding = 1e-5 * largest if exact or not _has_experts(model) else max(1e-5 * largest, 1e-2 * mixed)
    if not (alike and leak <= rounding):
        raise DiversityEvalError(
            f"{name}: it looks from one packed row into another (the logits differ by "
            f"{max(apart, leak) / largest:.2g} of the largest), so packing would train on mixed rows; use "
            "--no-packing, or an attention that keeps them apart"
        )


def _has_experts(model: Any) -> bool:
    values = model.config.get_text_config().to_dict().items()
    return any("expert" in key and isinstance(value, int) and value > 1 for key, value in values)


def _packed_differences(model: Any) -> tuple[float, float, float, float]:
    """How large a row's logits are, and the largest differences of them.

    Between the row alone and packed; between it packed behind different rows; and between it alone and packed
    if nothing were kept apart.
    """
    import torch

    vocabulary = int(model.config.get_text_config().vocab_size)
    device = model.get_input_embeddings().weight.device

    def some_ids(start: int, stride: int, length: int) -> torch.Tensor:
        return torch.tensor([[(start + stride * i) % vocabulary for i in range(length)]], device=device)

    row = some_ids(5, 211, 7)
    positions = torch.cat([torch.arange(9), torch.arange(7)]).unsqueeze(0).to(device)

    def behind(other: torch.Tensor, **arguments: Any) -> torch.Tensor:
        ids = torch.cat([other, row], dim=1)
        found = model(input_ids=ids, position_ids=positions, use_cache=False, **arguments).logits
        return torch.as_tensor(found[0, 9:].float())

    alone = model(input_ids=row, use_cache=False).logits[0].float()
    first, second = (behind(other) for other in (some_ids(11, 101, 9), some_ids(2, 37, 9)))
    # A mask that hides nothing makes one text of the two.
    nothing_hidden = torch.ones_like(positions)
    as_one = behind(some_ids(11, 101, 9), attention_mask=nothing_hidden)
    differences = (alone, alone - first, first - second, alone - as_one)
    largest, apart, leak, mixed = (float(each.abs().max()) for each in differences)
    return largest, apart, leak, mixed
