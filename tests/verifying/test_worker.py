"""The quick prediction of the parser changes no verdict; in its own process, since it changes a library."""

import json
import subprocess
import sys

PAIRS = [
    ("x^3 + 3x - 6", "w = x^3 + 3x - 6"),  # of which the quick prediction alone makes an error
    ("\\frac{1}{2}", "\\frac{2}{4}"),
    ("2\\sqrt{3}", "\\sqrt{12}"),
    ("2\\sqrt{3}", "\\sqrt{13}"),
    ("(-\\infty, 0] \\cup [4, 7)", "[4,7) \\cup (-\\infty,0]"),
    ("(-\\infty, 0] \\cup [4, 7)", "[4,7] \\cup (-\\infty,0]"),
    ("\\begin{pmatrix} 1 & 2 \\\\ 3 & 4 \\end{pmatrix}", "\\begin{bmatrix} 1 & 2 \\\\ 3 & 4 \\end{bmatrix}"),
    ("6 - 5i", "-5i + 6"),
    ("\\sin^2 x + \\cos^2 x", "1"),
    ("a^2 - b^2", "(a - b)(a + b)"),
    ("x < 3", "3 > x"),
    ("\\sum_{k=1}^{4} k", "10"),
    ("\\{1, 2\\}", "\\{2, 1\\}"),
    ("3, 5, 7", "7, 5, 3"),
    ("\\text{north}", "north"),
    ("(", ")"),
]
PROGRAM = """
import json, sys
from diversity_eval.verifying import worker
import math_verify.parser

def outcomes():
    worker._parsed_reference.cache_clear()
    math_verify.parser.parse_latex_cached.cache_clear()
    return [list(worker.attempt(worker.compare, a, b, 60)) for a, b in json.loads(sys.argv[1])]

plain = outcomes()
worker.parse_in_two_stages()
print(json.dumps([plain, outcomes()]))
"""


def test_parsing_in_two_stages_gives_the_same_verdicts() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(PAIRS)], capture_output=True, text=True, check=True
    )
    plain, quick = json.loads(done.stdout)
    assert quick == plain
    verdicts = [verdict for verdict, _ in plain]
    assert verdicts[:4] == [True, True, True, False]
    assert {True, False} <= set(verdicts)
