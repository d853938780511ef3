"""From a named data set or a file to token ids with labels, every unusable row counted."""

from diversity_eval.training.data.account import report_lines
from diversity_eval.training.data.loaded import DataReport, EncodedRow, TrainingSet
from diversity_eval.training.data.loading import load_training_set
from diversity_eval.training.data.tokenizer_setup import PreparedTokenizer, prepare_tokenizer

__all__ = [
    "DataReport",
    "EncodedRow",
    "PreparedTokenizer",
    "TrainingSet",
    "load_training_set",
    "prepare_tokenizer",
    "report_lines",
]
