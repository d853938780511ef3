"""How often known answers are verified as they should be: MATH-500, Minerva and GSM8K, 2,091 problems.

    DIVERSITY_EVAL_DATA=FOLDER python docs/runs/verification.py

Each reference solution is a response to its own problem, and to another one; each reference answer is
written in other forms by rule (tests/verifying/forms.py), and with one digit changed. Prints a table, and by
id what is not as it should be.
"""

import os
import sys
from collections import Counter
from pathlib import Path

from diversity_eval.verifying import AnswerVerifier
from tests.verifying.references import checks, documents


def main() -> None:
    folder = os.environ.get("DIVERSITY_EVAL_DATA")
    if not folder:
        sys.exit("DIVERSITY_EVAL_DATA has to name the folder with the benchmarks' files")
    print(
        "| check | benchmark | expected | cases | as expected | rate |\n| --- | --- | --- | --- | --- | --- |"
    )
    listed = []
    with AnswerVerifier() as verifier:
        for check in checks(documents(Path(folder))):
            failures = check.failures(verifier)
            cases = Counter(case.document.benchmark for case in check.cases)
            failed = Counter(
                case.document.benchmark for case in check.cases if (case.document.id, case.label) in failures
            )
            for benchmark, count in cases.items():
                good = count - failed[benchmark]
                print(
                    f"| {check.name} | {benchmark} | {check.status} "
                    f"| {count:,} | {good:,} | {good / count:.2%} |"
                )
            listed += [
                f"- {check.name}: {name} ({label}) is {status}" for (name, label), status in failures.items()
            ]
        print("", *listed, "", verifier.record(), sep="\n")


if __name__ == "__main__":
    main()
