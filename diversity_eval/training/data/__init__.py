"""From a named data set or a file to token ids with labels, every unusable row counted."""

from diversity_eval.training.data.loaded import DataReport, EncodedRow, TrainingSet

__all__ = ["DataReport", "EncodedRow", "TrainingSet"]
