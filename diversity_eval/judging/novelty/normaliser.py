"""The normaliser of a sentencepiece vocabulary, which some versions of transformers leave out."""

from pathlib import Path
from typing import Any

__all__ = ["restore_normaliser"]


def restore_normaliser(tokenizer: Any) -> bool:
    """Give a tokenizer that was made from an spm.model the character map that is in that file.

    transformers 5 reads DeBERTa's vocabulary from the file but not its normaliser (nmt_nfkc, as a rule): an
    ellipsis, a non-breaking space or a full-width letter is then an unknown token, where the model was
    trained on "...", a space, or the plain letter. Nothing says so, and the probabilities are others.

    Returns:
        Whether something was missing and is there now. A tokenizer that has a map, or that was read from
        another file, stays as it is.
    """
    path = getattr(tokenizer, "vocab_file", None)
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if not path or backend is None or Path(path).suffix != ".model" or not Path(path).is_file():
        return False
    if "Precompiled" in str(backend.normalizer):
        return False
    from sentencepiece import sentencepiece_model_pb2
    from tokenizers import normalizers

    model = sentencepiece_model_pb2.ModelProto()
    model.ParseFromString(Path(path).read_bytes())
    characters = model.normalizer_spec.precompiled_charsmap
    if not characters:
        return False
    steps = [normalizers.Precompiled(characters)]
    if backend.normalizer is not None:
        steps.append(backend.normalizer)
    backend.normalizer = normalizers.Sequence(steps)
    return True
