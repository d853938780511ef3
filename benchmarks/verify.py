"""Verifying answers against the obvious alternative, a loop over math-verify.

    DIVERSITY_EVAL_DATA=FOLDER python benchmarks/verify.py

16 responses to each problem of MATH-500 and of GSM8K: the reference solution, of which 3 have the reference
answer, 3 another (in another form, with one digit changed, another problem's), and 10 repeat an earlier one.
The loop parses the reference and the response, and compares, for each response; ours has two workers, whose
start counts. The two take turns; the ratio is of the medians. Where verdicts differ is told by id: ours also
reads the bases of numerals. Then one answer that hangs, among others, against its time limit. Limits: 4x for
each benchmark, 1.5 s beyond the time limit. Ends in one JSON line; exits with status 1 if a limit is missed.
"""

import argparse
import json
import logging
import os
import random
import statistics
import sys
import time
from pathlib import Path
from typing import Any

from diversity_eval.verifying import AnswerVerifier, last_box
from tests.verifying.references import Document, boxed, checks, documents

SPEED_LIMIT, HANG_LIMIT = 4.0, 1.5
SAME, NEW, RESPONSES = 3, 3, 16
HANGS = "9^{9^{9^{9}}}"
UNREAD = {
    "in dollar signs", "in \\( \\)", "with a full stop", "bold number", "aeb", "1\\,000", "1 000",
    "a \\times 10^{b}", "a \\cdot 10^{b}", "a*10^b", "Arabic-Indic digits", "full-width digits",
}  # fmt: skip
"""The forms that math-verify doesn't read, or not always. Ours does; a difference would say nothing new."""
Problem = tuple[str, list[str]]


def problems(given: list[Document], seed: int = 1) -> list[Problem]:
    draw = random.Random(seed)
    answers: dict[str, list[str]] = {one.id: [] for one in given}
    for check in checks(given)[1:]:
        for case in check.cases:
            if case.label not in UNREAD:
                answers[case.document.id].append(last_box(case.response) or "")
    found = []
    for one in given:
        begin, box, rest = one.response.rpartition("\\boxed")
        end = rest.partition(last_box(one.response) or "")[2]
        new = draw.choices(answers[one.id], k=NEW)
        responses = [one.response] * SAME + [f"{begin}{box}{{{answer}{end}" for answer in new]
        responses += draw.choices(responses, k=RESPONSES - len(responses))
        draw.shuffle(responses)
        found.append((one.reference, responses))
    return found


def loop(given: list[Problem]) -> list[list[bool]]:
    from math_verify import parse, verify

    return [
        [verify(parse(boxed(reference)), parse(response)) for response in responses]
        for reference, responses in given
    ]


def ours(given: list[Problem]) -> list[list[str]]:
    with AnswerVerifier(workers=2, progress=False) as verifier:
        return [[one.status for one in row] for row in verifier.verify_all(given)]


def hang(limit: float) -> float:
    """Seconds beyond the limit that a call takes in which one answer hangs."""
    easy = [(f"{n}\\sqrt{{8}}", [boxed(f"{2 * n}\\sqrt{{2}}")]) for n in range(1, 100)]
    with AnswerVerifier(workers=2, time_limit=limit, progress=False) as verifier:
        verifier.equal_all([("x+1", "x+2")])
        begin = time.perf_counter()
        [[bad], *others] = verifier.verify_all([("2y+1", [boxed(HANGS)]), *easy])
        seconds = time.perf_counter() - begin
    if bad.status != "unverifiable" or any(one.status != "right" for [one] in others):
        sys.exit("the answer that hangs was not told from the others")
    return seconds - limit


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--problems", type=int, default=500, help="of each benchmark")
    given = parser.parse_args()
    folder = os.environ.get("DIVERSITY_EVAL_DATA")
    if not folder:
        sys.exit("DIVERSITY_EVAL_DATA has to name the folder with the benchmarks' files")
    logging.disable(logging.WARNING)  # math-verify tells of each time-out
    every = documents(Path(folder))
    warm = problems([one for one in every if one.benchmark == "MATH-500"][:5])
    loop(warm)  # loads math-verify and compiles its patterns
    report = {
        name: measure([one for one in every if one.benchmark == name][: given.problems], given.rounds)
        for name in ("MATH-500", "GSM8K")
    }
    beyond = {f"{limit:g}": round(hang(limit), 2) for limit in (1.0, 5.0)}
    passed = (
        all(part["ratio"] >= SPEED_LIMIT for part in report.values()) and max(beyond.values()) <= HANG_LIMIT
    )
    print(json.dumps({**report, "seconds_beyond_time_limit": beyond, "passed": passed}))
    sys.exit(0 if passed else 1)


def processor_seconds() -> float:
    """Of this process and of those that have ended; other work on the machine adds nothing."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def measure(chosen: list[Document], rounds: int) -> dict[str, Any]:
    asked = problems(chosen)
    seconds: dict[str, list[float]] = {"loop": [], "ours": []}
    for _ in range(rounds):
        begin = time.perf_counter()
        used = processor_seconds()
        plain = loop(asked)
        seconds["loop"].append(time.perf_counter() - begin)
        plain_cpu, used = processor_seconds() - used, processor_seconds()
        begin = time.perf_counter()
        found = ours(asked)
        seconds["ours"].append(time.perf_counter() - begin)
        ours_cpu = processor_seconds() - used
    different: dict[str, int] = {}
    for one, expected, statuses in zip(chosen, plain, found, strict=True):
        for a, b in zip(expected, statuses, strict=True):
            if a != (b == "right"):
                told = f"{one.id}: {'right' if a else 'wrong'} by the loop, {b} by ours"
                different[told] = different.get(told, 0) + 1
    return {
        "problems": len(chosen),
        "responses": len(chosen) * RESPONSES,
        "loop_s": [round(value, 2) for value in seconds["loop"]],
        "ours_s": [round(value, 2) for value in seconds["ours"]],
        "processor_s_of_the_last_round": {"loop": round(plain_cpu, 2), "ours": round(ours_cpu, 2)},
        "ratio": round(statistics.median(seconds["loop"]) / statistics.median(seconds["ours"]), 2),
        "different_verdicts": different,
    }


if __name__ == "__main__":
    main()
