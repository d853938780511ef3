"""From the responses to whole prompts to metric values, signatures and aggregates, whoever asks for them."""

from diversity_eval.scoring.family import PromptResponses
from diversity_eval.scoring.prompt_scorer import PromptMetrics, PromptScorer
from diversity_eval.scoring.reported import COUNTS, UNDEFINED, Reported

__all__ = ["COUNTS", "UNDEFINED", "PromptMetrics", "PromptResponses", "PromptScorer", "Reported"]
