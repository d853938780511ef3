"""Models that judge: rubrics, verdicts, the store that keeps them, and the backends that run a judge.

Importing this package loads no model library.
"""

from diversity_eval.judging.config import JudgeConfig, load_judge, shipped_judges
from diversity_eval.judging.rater import Rater, Rating
from diversity_eval.judging.rubric import Rubric, load_rubric
from diversity_eval.judging.store import VerdictStore
from diversity_eval.judging.untrusted import neutralise
from diversity_eval.judging.verdict import Verdict, parse_rating

__all__ = [
    "JudgeConfig",
    "Rater",
    "Rating",
    "Rubric",
    "Verdict",
    "VerdictStore",
    "load_judge",
    "load_rubric",
    "neutralise",
    "parse_rating",
    "shipped_judges",
]
