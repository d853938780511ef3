"""ROUGE-1 of two texts, by Google's tokenization without stemming (Lin 2004, section 2)."""

import re
from collections import Counter

__all__ = ["rouge_1_f"]

_NO_WORD = re.compile(r"[^a-z0-9]+")


def rouge_1_f(a: str, b: str) -> float:
    """F1 of the unigrams that two texts share, 0 to 1, higher is more alike.

    Words are runs of the letters a to z and digits, in lower case. Texts without any word have 0.
    """
    counts = Counter(_words(a)), Counter(_words(b))
    shared = (counts[0] & counts[1]).total()
    if shared == 0:
        return 0.0
    precision, recall = shared / counts[1].total(), shared / counts[0].total()
    return 2 * precision * recall / (precision + recall)


def _words(text: str) -> list[str]:
    return [word for word in _NO_WORD.split(text.lower()) if word]
