import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from diversity_eval.errors import DiversityEvalError
from diversity_eval.judging.check import Case, CaseSet, Check, add_other_mode, run_check, write_check
from diversity_eval.judging.check.asking import degraded_cases, one_per_prompt
from diversity_eval.judging.check.checks import DegradationResult, KindResult
from diversity_eval.judging.check.words import sentences
from diversity_eval.judging.config import JudgeConfig
from tests.judging.check.known_judges import (
    KnownJudge,
    Moody,
    Opener,
    blind,
    ideal,
    judge_config,
    length_lover,
    story_cases,
)

CASES = story_cases(12)
Decide = Callable[[str, str], float | None]


def check(folder: Path, decide: Decide, *, mode: str = "generate", cases: Sequence[Case] = CASES) -> Check:
    return run_check(judge_config(folder, mode), cases, folder, open_with=Opener(decide), progress=False)


def readings(result: KindResult) -> dict[str, str]:
    return {entry.name: entry.reading for entry in result.degradations}


def by_name(result: KindResult) -> dict[str, DegradationResult]:
    return {entry.name: entry for entry in result.degradations}


@pytest.mark.parametrize("mode", ["generate", "rate"])
def test_an_ideal_judge_sees_everything_and_forgives_the_cut(tmp_path: Path, mode: str) -> None:
    (result,) = check(tmp_path, ideal(CASES), mode=mode).kinds
    assert result.position.mean.value == 5
    for name, entry in by_name(result).items():
        assert entry.built == 12
        assert (entry.left_out, entry.unscored) == (0, 0)
        measures = [(entry.rating, entry.reading)]
        if mode == "rate":
            assert entry.expected is not None
            assert entry.expected_reading is not None
            measures.append((entry.expected, entry.expected_reading))
        else:
            assert entry.expected is None
        for comparison, reading in measures:
            if name == "cut":
                assert reading == "costs nothing"
                assert comparison.loss.value == pytest.approx(0, abs=0.05)
            else:
                assert reading == "sees", name
                # Two stories may end alike, and then the last half of one is as good as the other's.
                assert comparison.above.share >= (0.75 if name == "half_replaced" else 1)
    # An empty response has no word pair at all: 5 points less.
    assert by_name(result)["empty"].rating.loss.value == 5
    assert result.repetition.equal.value == 1


def test_a_blind_judge_is_called_blind(tmp_path: Path) -> None:
    opener = Opener(blind)
    cases = story_cases(12, human=True)
    config = judge_config(tmp_path)
    found = run_check(config, cases, tmp_path, open_with=opener, progress=False)
    found = add_other_mode(found, tmp_path, open_with=opener, progress=False)
    (result,) = found.kinds
    assert set(readings(result).values()) == {"blind", "costs nothing"}
    assert all(entry.rating.equal.share == 1 for entry in result.degradations)
    assert result.position.histogram == (0, 0, 0, 12, 0, 0)
    assert result.modes is not None
    assert math.isnan(result.modes.kappa.value)
    assert result.human is not None
    assert result.human.kappa.value == pytest.approx(0)
    assert math.isnan(result.human.spearman.value)
    said = " ".join(sentences(found, result))
    assert "sees 0 of 5" in said
    assert "That says little" in said
    assert "have the same rating, 3" in said
    assert "cannot be compared (kappa is undefined)" in said


def test_a_length_lover_is_shown_to_like_repetition_and_to_punish_the_cut(tmp_path: Path) -> None:
    (result,) = check(tmp_path, length_lover, mode="rate").kinds
    found = {name: entry.expected_reading for name, entry in by_name(result).items()}
    assert found["shuffled"] == "blind"
    assert found["repeated"] == "prefers it"
    assert found["empty"] == "sees"
    assert found["cut"] == "costs points"


def test_a_moody_judge_does_not_repeat_itself(tmp_path: Path) -> None:
    found = check(tmp_path, Moody(), cases=story_cases(40))
    (result,) = found.kinds
    assert result.repetition.equal.value < 0.5
    assert result.repetition.difference > 1
    assert "it does not repeat itself" in " ".join(sentences(found, result))


def test_the_second_time_is_another_order_of_the_same_originals(tmp_path: Path) -> None:
    opener = Opener(blind)
    run_check(judge_config(tmp_path), CASES, tmp_path, open_with=opener, progress=False)
    (judge,) = opener.opened
    first, second = judge.asked
    originals = [(case.prompt, case.response) for case in CASES]
    assert first[: len(CASES)] == originals
    assert len(first) == 7 * len(CASES)
    assert sorted(second) == sorted(originals)
    assert second != originals
    assert judge.closed


def test_the_second_ratings_are_put_beside_the_first_of_the_same_case(tmp_path: Path) -> None:
    def by_number(prompt: str, response: str) -> float:
        return float(int(prompt.split()[1].rstrip(".")) % 6)

    (result,) = check(tmp_path, by_number).kinds
    assert result.position.histogram == (2, 2, 2, 2, 2, 2)
    assert result.repetition.equal.value == 1


def test_modes_are_compared_in_their_order_whatever_the_judge_is_set_to(tmp_path: Path) -> None:
    class TwoFaced(Opener):
        def __call__(self, config: JudgeConfig) -> KnownJudge:
            rating = 4.0 if config.mode == "rate" else 1.0
            self.opened.append(KnownJudge(config, lambda prompt, response: rating))
            return self.opened[-1]

    for mode in ("generate", "rate"):
        folder = tmp_path / mode
        folder.mkdir()
        opener = TwoFaced(blind)
        config = judge_config(folder, mode)
        found = run_check(config, CASES, folder, open_with=opener, progress=False)
        found = add_other_mode(found, folder, open_with=opener, progress=False)
        (result,) = found.kinds
        assert result.modes is not None
        assert result.modes.difference.value == 3  # rate minus generate
        assert result.modes.exact.value == 0
        assert [judge.closed for judge in opener.opened] == [True, True]
        assert len(found.verdicts) == 9 * len(CASES)


def test_unscored_verdicts_are_counted_and_left_out(tmp_path: Path) -> None:
    def shy(prompt: str, response: str) -> float | None:
        if prompt.startswith(("Story 0.", "Story 1.")):
            return None
        return None if not response else ideal(CASES)(prompt, response)

    found = check(tmp_path, shy)
    (result,) = found.kinds
    assert result.position.unscored == 2
    assert result.position.mean.value == 5
    entries = by_name(result)
    assert (entries["empty"].built, entries["empty"].unscored, entries["empty"].rating.pairs) == (12, 12, 0)
    assert entries["empty"].reading == "too few"
    assert (entries["cut"].unscored, entries["cut"].rating.pairs) == (2, 10)
    assert result.repetition.unscored == (2, 2)
    assert sum(verdict.rating is None for verdict in found.verdicts) == 2 * 8 + 10


def test_an_interrupted_check_goes_on_and_a_finished_one_asks_nothing(tmp_path: Path) -> None:
    count = 0

    def interrupted(prompt: str, response: str) -> float:
        nonlocal count
        count += 1
        if count == 30:
            raise KeyboardInterrupt
        return 3.0

    config = judge_config(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        run_check(config, CASES, tmp_path, open_with=Opener(interrupted), progress=False)
    opener = Opener(blind)
    first = run_check(config, CASES, tmp_path, open_with=opener, progress=False)
    assert len(opener.opened[0].asked[0]) == 7 * len(CASES) - 29
    again = Opener(blind)
    second = run_check(config, CASES, tmp_path, open_with=again, progress=False)
    assert again.opened == []
    assert repr(second.kinds) == repr(first.kinds)


def test_one_response_per_prompt_is_degraded_and_all_are_rated(tmp_path: Path) -> None:
    cases = [
        Case(f"{case.id}/{i}", case.kind, case.prompt, text)
        for case in CASES
        for i, text in enumerate((case.response, f"Then {case.response}", "  "))
    ]
    chosen = one_per_prompt(cases, 0)
    assert [cases[place].prompt for place in chosen] == [case.prompt for case in CASES]
    assert all(cases[place].response.strip() for place in chosen)
    assert one_per_prompt(cases, 0) == chosen
    assert {place % 3 for place in chosen} == {0, 1}
    (result,) = check(tmp_path, ideal(CASES), cases=cases).kinds
    assert result.position.responses == 36
    assert result.prompts == 12
    assert all(entry.built == 12 for entry in result.degradations)
    assert result.repetition.pairs == 36


def test_kinds_are_measured_apart_and_lend_each_other_nothing(tmp_path: Path) -> None:
    other = [Case(f"i/{c.id}", "instruction", f"I {c.prompt}", f"I {c.response}") for c in CASES]
    cases = [*CASES, *other]
    texts = degraded_cases(cases, 0)["other_prompt"]
    assert all(
        (text or "").startswith("I ") == (cases[place].kind == "instruction") for place, text in texts.items()
    )
    story, instruction = check(
        tmp_path, lambda prompt, response: 5.0 if prompt.startswith("I ") else 1.0, cases=cases
    ).kinds
    assert (story.kind, story.position.mean.value) == ("story", 1)
    assert (instruction.kind, instruction.position.mean.value) == ("instruction", 5)
    assert "rubric:" in story.signature


def test_no_cases_and_kinds_without_a_rubric_are_refused_before_the_judge_is_loaded(tmp_path: Path) -> None:
    opener = Opener(blind)
    config = judge_config(tmp_path, rubric={"story": "plain.jinja"})
    with pytest.raises(DiversityEvalError, match="no responses"):
        run_check(config, [], tmp_path, open_with=opener)
    with pytest.raises(DiversityEvalError, match="no rubric for tasks of the kind 'poem'"):
        run_check(config, [Case("a", "poem", "p", "r")], tmp_path, open_with=opener)
    assert opener.opened == []
    assert not (tmp_path / "verdicts.sqlite").exists()


def test_files_of_a_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = check(tmp_path, ideal(CASES), mode="rate", cases=story_cases(12, human=True))
    sets = [CaseSet(tuple(found.cases), {"rows": 12}, "twelve of our own")]
    warnings: list[str] = []
    files = write_check(found, sets, tmp_path, command="diversity-eval judge-check", warn=warnings.append)
    assert files.figure is not None
    assert files.figure.read_bytes().startswith(b"\x89PNG")
    assert not warnings

    def no_constants(text: str) -> None:
        raise AssertionError(f"{text} is not JSON")

    everything = json.loads(files.json.read_text(encoding="utf-8"), parse_constant=no_constants)
    assert everything["ratings"] == len(found.verdicts) == 96
    assert everything["seed"] == 0
    assert everything["signatures"]["story"].startswith("judge|")
    assert "diversity_eval" in everything["packages"]
    row = everything["cases"][3]
    assert row["id"] == "story/3"
    assert row["human"] == 3
    assert row["original"]["rating"] == 5
    assert row["degraded"]["empty"]["expected"] == 0
    assert set(row["degraded"]) == set(everything["degradations"])
    # The perfect judge's ratings are constant, so correlation is undefined: null, not NaN.
    assert everything["kinds"][0]["human"]["spearman"]["value"] is None

    text = files.page.read_text(encoding="utf-8")
    assert "twelve of our own" in text
    assert "sees 5 of 5 degradations" in text
    assert "| words shuffled " in text
    for line in text.split("\n"):
        if line.startswith("|"):
            assert line.endswith("|")

    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    files = write_check(found, sets, tmp_path, command="", warn=warnings.append)
    assert files.figure is None
    assert not (tmp_path / "judge_check.png").exists()
    assert "diversity-eval[report]" in warnings[0]
    assert files.page.read_text(encoding="utf-8") == text
