"""Pure functions from responses to numbers: no files, no clock, no network, no global state.

Importing this package loads neither numpy nor any other library. A function named like its
module stays there: `from diversity_eval.metrics.self_bleu import self_bleu`.
"""

from diversity_eval.metrics.lexical import (
    compression_ratio,
    distinct_n,
    empty_fraction,
    expectation_adjusted_distinct,
    mean_words,
    unique_fraction,
)
from diversity_eval.metrics.prompt_metrics import HIGHER_IS_BETTER, diversity_metrics
from diversity_eval.metrics.self_bleu import self_bleu_nltk, self_bleu_per_response, self_bleu_texygen
from diversity_eval.metrics.semantic import SentenceEmbedder, load_embedder, vendi_score
from diversity_eval.metrics.signature import Signature, metric_fields
from diversity_eval.metrics.statistics import (
    PairedTest,
    PairedTests,
    bootstrap_ci,
    bootstrap_cis,
    holm,
    mean,
    paired_test,
    paired_tests,
    standard_deviation,
    standard_error,
)

__all__ = [
    "HIGHER_IS_BETTER",
    "PairedTest",
    "PairedTests",
    "SentenceEmbedder",
    "Signature",
    "bootstrap_ci",
    "bootstrap_cis",
    "compression_ratio",
    "distinct_n",
    "diversity_metrics",
    "empty_fraction",
    "expectation_adjusted_distinct",
    "holm",
    "load_embedder",
    "mean",
    "mean_words",
    "metric_fields",
    "paired_test",
    "paired_tests",
    "self_bleu_nltk",
    "self_bleu_per_response",
    "self_bleu_texygen",
    "standard_deviation",
    "standard_error",
    "unique_fraction",
    "vendi_score",
]
