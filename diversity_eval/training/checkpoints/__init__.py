"""Checkpoints that others can use: cards, NF4 bases, and adapters merged into their base."""

from diversity_eval.training.checkpoints.card import is_quantised, write_model_card
from diversity_eval.training.checkpoints.merge import merge_adapter
from diversity_eval.training.checkpoints.merge_plan import Onto
from diversity_eval.training.checkpoints.quantize import quantize
from diversity_eval.training.checkpoints.record import RECORD_FILE, TrainingRecord, read_record
from diversity_eval.training.checkpoints.reports import (
    MergeCheck,
    MergeReport,
    QuantizationError,
    QuantizeReport,
)

__all__ = [
    "RECORD_FILE",
    "MergeCheck",
    "MergeReport",
    "Onto",
    "QuantizationError",
    "QuantizeReport",
    "TrainingRecord",
    "is_quantised",
    "merge_adapter",
    "quantize",
    "read_record",
    "write_model_card",
]
