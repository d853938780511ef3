"""Whether a run measures `vendi_score`, settled before anything is generated."""

from collections.abc import Callable
from typing import Any

from diversity_eval.harness.messages import warn_once
from diversity_eval.harness.options import Embeddings
from diversity_eval.scoring import embeddings

__all__ = ["choose_embedding"]


def choose_embedding(option: Embeddings) -> Callable[[list[str]], Any] | None:
    """See `scoring.embeddings.choose_embedding`; a warning is given once for all tasks of the run."""
    return embeddings.choose_embedding(option, lambda message: warn_once("embeddings", message))
