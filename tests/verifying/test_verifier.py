import multiprocessing
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from diversity_eval.errors import DiversityEvalError
from diversity_eval.metrics.signature import Signature
from diversity_eval.verifying import AnswerVerifier, Verification
from diversity_eval.verifying.verifier import LONGEST_ANSWER
from tests.verifying import faults

MIB = 1 << 20
EXTRA = 1.5  # seconds that a hang may cost beyond its limit


def box(answer: str) -> str:
    return f"So the answer is $\\boxed{{{answer}}}$."


@pytest.fixture(scope="module")
def verifier() -> Iterator[AnswerVerifier]:
    with AnswerVerifier(workers=2, progress=False) as opened:
        yield opened


@pytest.fixture
def faulty(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[AnswerVerifier]:
    """Its comparisons do what the answer says; they are counted in `tmp_path`."""
    monkeypatch.setenv(faults.CALLS, str(tmp_path))
    monkeypatch.setattr(AnswerVerifier, "_compare", staticmethod(faults.compare))
    with AnswerVerifier(workers=2, time_limit=1, memory_limit=256 * MIB, progress=False) as opened:
        yield opened


@pytest.mark.parametrize(
    ("reference", "answer", "status"),
    [
        ("\\frac{1}{2}", "0.5", "right"),
        ("\\frac{1}{2}", "\\frac{2}{4}", "right"),
        ("\\frac{1}{2}", "2", "wrong"),
        ("2\\sqrt{3}", "\\sqrt{12}", "right"),
        ("2\\sqrt{3}", "\\sqrt{13}", "wrong"),
        ("(1, 2)", "\\left(1,2\\right)", "right"),
        ("(1, 2)", "(2, 1)", "wrong"),
        ("\\{1, 2\\}", "\\{2, 1\\}", "right"),
        ("x + y", "y + x", "right"),
        ("x + y", "x - y", "wrong"),
        ("(x+1)^2", "x^2 + 2x + 1", "right"),
        ("\\begin{pmatrix} 1 \\\\ 2 \\end{pmatrix}", "\\begin{pmatrix}\n1 \\\\\n2\n\\end{pmatrix}", "right"),
        ("[0, 1)", "[0,1]", "wrong"),
        ("\\text{north}", "north", "right"),
        ("\\text{north}", "south", "wrong"),
        ("12", "\u0661\u0662", "right"),
        ("50\\%", "\\frac{1}{2}", "right"),
        ("0.00002", "\\frac{1}{50000}", "right"),
        ("\\frac{6}{10^{34}}", "\\frac{7}{10^{34}}", "wrong"),
        ("2e-7", "\\frac{3}{10^{7}}", "wrong"),
        ("5", "\\frac", "wrong"),
        # Where these boxes can't be parsed, math-verify's defaults find the same number in both.
        ("\\frac{1}{5} E_{1}", "\\frac{1}{5} E_{2}", "wrong"),
        ("5", "nearly 5 @@", "wrong"),
        ("5", "\\not=5", "wrong"),
        ("-5", "\uff0d5", "right"),
        ("\\sqrt{2}", "\u200b\\sqrt{2}", "right"),
    ],
)
def test_by_hand(verifier: AnswerVerifier, reference: str, answer: str, status: str) -> None:
    [[found]] = verifier.verify_all([(reference, [box(answer)])])
    assert (found.status, found.reason) == (status, "")


def test_every_response_has_its_verdict_in_its_place(verifier: AnswerVerifier) -> None:
    found = verifier.verify_all(
        [
            ("$\\frac{1}{2}$", [box("0.5"), "no idea", box("$0.25$"), "cut \\boxed{0.", "\\boxed{$$}"]),
            ("7", []),
            ("x^2-1", [box("(x-1)(x+1)"), box("y" * (LONGEST_ANSWER + 1))]),
        ]
    )
    missing = Verification("missing", None)
    assert found[0] == [
        Verification("right", "0.5"), missing, Verification("wrong", "0.25"), missing, missing,
    ]  # fmt: skip
    assert found[1] == []
    assert found[2][0] == Verification("right", "(x-1)(x+1)")
    assert (found[2][1].status, found[2][1].reason) == ("unverifiable", "longer than 2000 characters")


def test_a_long_answer_that_is_the_reference_is_right(verifier: AnswerVerifier) -> None:
    long = "y" * (LONGEST_ANSWER + 1)
    assert verifier.verify_all([(long, [box(long)])]) == [[Verification("right", long)]]


def test_equal_all_takes_the_first_as_the_reference(verifier: AnswerVerifier) -> None:
    pairs = [("1", "2"), ("\\frac{2}{4}", "0.5"), ("x=3", "3"), ("", ""), ("", "1"), ("y" * 3000, "z")]
    assert verifier.equal_all(pairs) == [False, True, True, True, False, None]
    assert verifier.equal_all([]) == []


@pytest.mark.parametrize("hostile", ["9^{9^{9^{9}}}", "(10^{9})!", "(" * 900 + "1" + ")" * 900])
def test_latex_that_hangs_the_solver_costs_its_limit_and_nothing_else(hostile: str) -> None:
    easy = [(f"{n}\\sqrt{{8}}", [box(f"{2 * n}\\sqrt{{2}}")]) for n in range(1, 30)]
    with AnswerVerifier(workers=2, time_limit=1, progress=False) as verifier:
        verifier.equal_all([("\\sqrt{2}", "\\sqrt{3}")])
        begin = time.monotonic()
        [[bad], *others] = verifier.verify_all([("2y+1", [box(hostile)]), *easy])
        seconds = time.monotonic() - begin
    assert (bad.status, bad.reason) == ("unverifiable", "time limit (1 s)")
    assert {found.status for [found] in others} == {"right"}
    assert seconds < 1 + EXTRA


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the memory of a process")
def test_latex_that_takes_too_much_memory_is_unverifiable() -> None:
    with AnswerVerifier(workers=1, time_limit=30, memory_limit=64 * MIB, progress=False) as verifier:
        [[bad, good]] = verifier.verify_all([("2y+1", [box("2^{2^{40}}+x"), box("1+2y")])])
    assert (bad.status, bad.reason, good.status) == ("unverifiable", "memory limit", "right")


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("hang", "time limit (1 s)"),
        ("busy", "time limit (1 s)"),
        ("exit", "the worker process died"),
        ("segfault", "the worker process died"),
        ("killed", "the worker process died"),
        ("raise", "Unsendable while comparing"),
        ("quit", "SystemExit while comparing"),
        ("memory", "memory limit"),
        ("recurse", None),
    ],
)
def test_a_fault_makes_one_answer_unverifiable(faulty: AnswerVerifier, kind: str, reason: str | None) -> None:
    faulty.equal_all([("warm", "UP")])
    easy = [(f"word{n}", [box(f"WORD{n}"), box(f"OTHER{n}")]) for n in range(20)]
    begin = time.monotonic()
    [[bad], *others] = faulty.verify_all([("ref", [box(f"{kind} it")]), *easy])
    seconds = time.monotonic() - begin
    assert bad.status == "unverifiable"
    assert reason is None or bad.reason == reason
    assert [[found.status for found in row] for row in others] == [["right", "wrong"]] * 20
    assert seconds < 1 + EXTRA
    assert faulty.equal_all([("again", "AGAIN")]) == [True]


def test_as_many_faults_as_there_are_answers(faulty: AnswerVerifier) -> None:
    answers = [f"{kind} {n}" for n in range(4) for kind in ("exit", "segfault", "raise")]
    found = faulty.equal_all([("ref", answer) for answer in answers])
    assert found == [None] * len(answers)


def test_workers_that_never_begin_are_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AnswerVerifier, "_compare", staticmethod(faults.unloadable))
    with (
        AnswerVerifier(workers=1, progress=False) as verifier,
        pytest.raises(DiversityEvalError, match="ended 3 times in a row"),
    ):
        verifier.equal_all([("a", "b")])


def test_no_pair_is_asked_twice(faulty: AnswerVerifier, tmp_path: Path) -> None:
    def asked() -> list[str]:
        return sorted(path.read_text("utf-8") for path in tmp_path.iterdir())

    problems = [("ref", [box(text) for text in ("REF", "$ REF $", "ref", "other", "REF.", "other")])] * 2
    statuses = [found.status for found in faulty.verify_all(problems)[1]]
    assert statuses == ["right", "right", "right", "wrong", "right", "wrong"]
    assert asked() == ["REF", "other"]
    faulty.verify_all(problems)
    assert faulty.equal_all([("ref", "other"), ("ref", "exit now")]) == [False, None]
    assert faulty.equal_all([("ref", "exit now")]) == [None]
    assert asked() == ["REF", "exit now", "other"]


def test_where_texts_are_enough_no_process_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    with AnswerVerifier(progress=False) as verifier:
        monkeypatch.setattr(verifier._pool, "compare_all", lambda *given: pytest.fail("asked"))
        found = verifier.verify_all([("12", [box("12.0"), box("13"), "none"]), ("x", [box("x")])])
    assert [[one.status for one in row] for row in found] == [["right", "wrong", "missing"], ["right"]]


def test_the_workers_end_with_the_verifier_and_come_back(faulty: AnswerVerifier, tmp_path: Path) -> None:
    assert faulty.equal_all([("a", "A"), ("b", "B")]) == [True, True]
    faulty.close()
    pids = {int(path.name.split("-")[0]) for path in tmp_path.iterdir()}
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    assert faulty.equal_all([("c", "C")]) == [True]


def test_it_works_in_a_thread(verifier: AnswerVerifier) -> None:
    found: list[bool | None] = []

    def work() -> None:
        with AnswerVerifier(workers=1, progress=False) as own:
            found.extend(own.equal_all([("\\sqrt{8}", "2\\sqrt{2}")]))
        found.extend(verifier.equal_all([("\\sqrt{27}", "3\\sqrt{3}")]))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(60)
    assert found == [True, True]


def _verified_in_a_pool_s_process(answer: str) -> list[str]:
    with AnswerVerifier(workers=1, time_limit=1, progress=False) as own:
        return [
            found.status for found in own.verify_all([("\\sqrt{8}", [box(answer), box("9^{9^{9^{9}}}")])])[0]
        ]


@pytest.mark.parametrize(
    "method",
    ["spawn", pytest.param("fork", marks=pytest.mark.skipif(sys.platform == "win32", reason="no fork"))],
)
def test_it_works_in_a_process_of_a_pool(method: str) -> None:
    with multiprocessing.get_context(method).Pool(1) as pool:  # daemonic: they may not have children
        found = pool.apply_async(_verified_in_a_pool_s_process, ("2\\sqrt{2}",)).get(timeout=60)
    assert found == ["right", "unverifiable"]


FORKED = """
import os
from diversity_eval.verifying import AnswerVerifier

if __name__ == "__main__":
    verifier = AnswerVerifier(workers=1, progress=False)
    assert verifier.equal_all([("\\\\sqrt{8}", "2\\\\sqrt{2}")]) == [True]
    child = os.fork()
    found = verifier.equal_all([("\\\\sqrt{27}", "3\\\\sqrt{3}"), ("x+1", "x+2")])
    if child:
        _, status = os.waitpid(child, 0)
        assert status == 0, status
        found += verifier.equal_all([("\\\\sqrt{75}", "5\\\\sqrt{3}")])
    verifier.close()
    print(found, flush=True)
    if not child:
        os._exit(0)  # what is to be done at exit is the parent's
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no fork")
def test_a_fork_of_a_process_that_verifies_has_workers_of_its_own(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(FORKED, encoding="utf-8")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, sorted(done.stdout.splitlines()), done.stderr) == (
        0, ["[True, False, True]", "[True, False]"], "",
    )  # fmt: skip


SCRIPT = """
import sys
from diversity_eval.verifying import AnswerVerifier, last_box
heavy = {"sympy", "math_verify", "pebble", "torch", "tqdm", "latex2sympy2_extended"} & set(sys.modules)
assert not heavy, heavy
import torch
torch.ones(100, 100) @ torch.ones(100, 100)

if __name__ == "__main__":
    with AnswerVerifier(workers=2) as verifier:
        print(verifier.equal_all([("\\\\sqrt{8}", "2\\\\sqrt{2}"), ("x+1", "x+2")]))
    assert "sympy.parsing" not in sys.modules and "math_verify" not in sys.modules
"""


def test_it_works_in_a_subprocess_that_has_loaded_torch(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    script = tmp_path / "script.py"
    script.write_text(SCRIPT, encoding="utf-8")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "[True, False]", "")


def test_an_unguarded_script_is_told_what_is_wrong(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    unguarded = SCRIPT.replace('if __name__ == "__main__":', "if True:")
    script.write_text(re.sub(r".*torch\..*|import torch", "", unguarded), encoding="utf-8")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert "DiversityEvalError: verifying: the worker processes ended" in done.stderr


INTERRUPTED = """
from diversity_eval.verifying import AnswerVerifier
from tests.verifying import faults

if __name__ == "__main__":
    AnswerVerifier._compare = staticmethod(faults.compare)
    with AnswerVerifier(workers=2, time_limit=100) as verifier:
        verifier.equal_all([("a", "busy 1"), ("a", "hang 2"), *[("a", f"b{n}") for n in range(500)]])
"""


def group_ends(group: int, *, within: float) -> bool:
    until = time.monotonic() + within
    while time.monotonic() < until:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False


@pytest.mark.skipif(sys.platform == "win32", reason="sends a signal to a process group")
def test_ctrl_c_ends_the_caller_and_its_workers_at_once(tmp_path: Path) -> None:
    (tmp_path / "calls").mkdir()
    script = tmp_path / "script.py"
    script.write_text(INTERRUPTED, encoding="utf-8")
    root = Path(__file__).parents[2]
    environment = {**os.environ, faults.CALLS: str(tmp_path / "calls"), "PYTHONPATH": str(root)}
    process = subprocess.Popen(
        [sys.executable, script], env=environment, start_new_session=True, text=True, stderr=subprocess.PIPE
    )
    until = time.monotonic() + 60
    while len(list((tmp_path / "calls").iterdir())) < 2 and time.monotonic() < until:
        time.sleep(0.1)
    time.sleep(0.3)
    os.killpg(process.pid, signal.SIGINT)  # a terminal sends it to all of its processes
    begin = time.monotonic()
    _, told = process.communicate(timeout=30)
    assert time.monotonic() - begin < 5
    assert "KeyboardInterrupt" in told
    assert len(list((tmp_path / "calls").iterdir())) == 2
    assert group_ends(process.pid, within=5)


def test_bad_input_is_one_clear_error(verifier: AnswerVerifier) -> None:
    with pytest.raises(DiversityEvalError, match="problem 1 has an empty reference"):
        verifier.verify_all([("5", []), (" $$ ", [box("5")])])
    with pytest.raises(DiversityEvalError, match="problem 0 has one text for its responses"):
        verifier.verify_all([("5", box("5"))])
    with pytest.raises(DiversityEvalError, match="workers is 0"):
        AnswerVerifier(workers=0)
    with pytest.raises(DiversityEvalError, match="time_limit is 0"):
        AnswerVerifier(time_limit=0)
    with pytest.raises(DiversityEvalError, match="memory_limit is 2"):
        AnswerVerifier(memory_limit=2)


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("diversity_eval.verifying.pool.find_spec", lambda name: None)
    with (
        AnswerVerifier(progress=False) as verifier,
        pytest.raises(DiversityEvalError, match="pip install math-verify pebble"),
    ):
        verifier.equal_all([("x+1", "x+2")])


def test_the_record_and_the_signature_name_versions_and_limits(verifier: AnswerVerifier) -> None:
    record = verifier.record()
    assert {"math-verify", "sympy", "latex2sympy2-extended"} <= set(record["versions"])
    assert (record["time_limit_s"], record["memory_limit_bytes"]) == (5.0, 2048 * MIB)
    fields = verifier.signature_fields()
    signature = str(Signature("pass_at_k", fields))
    assert f"verifier:math-verify-{record['versions']['math-verify']}" in signature
    assert "answer_time_limit:5s" in signature
