"""Whether a judge is any good: does it see what it must see, and overlook what it must overlook?

`run_check` asks the judge about real responses and the same ones degraded in known ways; `write_check` writes
the tables, the figure and every rating.
"""

from diversity_eval.judging.check.cases import Case, CaseSet, read_cases, reference_cases
from diversity_eval.judging.check.checks import Check, add_other_mode, run_check
from diversity_eval.judging.check.degradations import DEGRADATIONS, degrade
from diversity_eval.judging.check.writing import CheckFiles, write_check

__all__ = [
    "DEGRADATIONS",
    "Case",
    "CaseSet",
    "Check",
    "CheckFiles",
    "add_other_mode",
    "degrade",
    "read_cases",
    "reference_cases",
    "run_check",
    "write_check",
]
