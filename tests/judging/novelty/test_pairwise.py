from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from diversity_eval.errors import DiversityEvalError
from diversity_eval.judging.novelty import Answer, NoveltyResult, load_classifier, load_reward, novelty_metric
from diversity_eval.judging.novelty.comparer import Comparer
from diversity_eval.judging.novelty.config import ClassifierConfig, RewardConfig
from diversity_eval.judging.novelty.items import Comparison, Reward
from diversity_eval.judging.novelty.pairwise import PairwiseNovelty
from diversity_eval.judging.novelty.rewarder import Rewarder
from diversity_eval.judging.result_store import ResultStore
from diversity_eval.metrics.novelty import UNKNOWN
from tests.judging.novelty.counting import CountingReward, CountingTest, answers, by_first_word, long

CLASSIFIER = ClassifierConfig("own", "classifier", "org/pairs")
REWARD = RewardConfig("own", "transformers", "org/reward", thresholds=(0.0, 1.0, 2.0))

New = Callable[..., PairwiseNovelty]

VALUES = {"a": -5.0, "b": 0.5, "c": 1.0, "d": 9.0}


def varied(letters: Iterable[str]) -> list[str]:
    """Texts that all differ; those of one letter are of one class."""
    return [f"{letter} is what I would say for the {n}th time" for n, letter in enumerate(letters)]


def by_letter(answer: Answer) -> Reward:
    return Reward(VALUES[answer.response[0]])


@pytest.fixture
def new(tmp_path: Path) -> New:
    """Another process's metric over the same store; without a test or a model none may be loaded."""

    def metric(
        test: CountingTest | None, model: CountingReward | None, scored: bool = True
    ) -> PairwiseNovelty:
        def open_test(_: ClassifierConfig, __: ResultStore) -> CountingTest:
            assert test is not None
            return test

        def open_reward(_: RewardConfig) -> CountingReward:
            assert model is not None
            return model

        store = ResultStore(tmp_path / "novelty.sqlite")
        rewarder = Rewarder(REWARD, store, open_with=open_reward, progress=False) if scored else None
        return PairwiseNovelty(
            Comparer(CLASSIFIER, store, open_with=open_test, progress=False), rewarder, store
        )

    return metric


def test_classes_rewards_and_scores_in_their_places(new: New) -> None:
    model = CountingReward(by_letter)
    metric = new(CountingTest(by_first_word), model)
    prompts = [
        answers("p", varied("abad")),
        answers("q", varied("cc")),
        [],
        answers("r", long("a")),
    ]
    assert metric.judge(prompts) == [
        # -5 lies above no threshold, 0.5 above one, 9 above three; the second a opens no class.
        NoveltyResult((0, 1, 0, 2), (1, 2, None, 4), (-5.0, 0.5, None, 9.0), (False,) * 4),
        # 1.0 is at a threshold, so above one.
        NoveltyResult((0, 0), (2, None), (1.0, None), (False,) * 2),
        NoveltyResult((), (), (), ()),
        NoveltyResult((0,), (1,), (-5.0,), (False,)),
    ]
    assert len(model.asked) == 3 + 1 + 1
    assert metric.scores_responses
    assert (metric.version, metric.suffix) == ("1.0", "")
    metric.close()


@given(st.lists(st.lists(st.sampled_from("abcd"), max_size=8), max_size=4))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
def test_as_many_responses_are_scored_as_there_are_classes(
    tmp_path_factory: pytest.TempPathFactory, letters: list[list[str]]
) -> None:
    test, model = CountingTest(by_first_word), CountingReward(by_letter)
    store = ResultStore(tmp_path_factory.mktemp("store") / "novelty.sqlite")
    metric = PairwiseNovelty(
        Comparer(CLASSIFIER, store, open_with=lambda *_: test, progress=False),
        Rewarder(REWARD, store, open_with=lambda _: model, progress=False),
        store,
    )
    found = metric.judge([answers(str(n), varied(part)) for n, part in enumerate(letters)])
    assert len(model.asked) == sum(len(set(part)) for part in letters)
    for part, result in zip(letters, found, strict=True):
        scored = result.scores or ()
        assert [s is not None for s in scored] == [letter not in part[:n] for n, letter in enumerate(part)]
    metric.close()


def test_what_has_no_classes_is_not_scored(new: New) -> None:
    def says(a: str, b: str) -> Comparison:
        return Comparison(None, reason="HTTP 500") if b[0] == "c" else by_first_word(a, b)

    model = CountingReward(by_letter)
    metric = new(CountingTest(says), model)
    broken, whole = metric.judge([answers("p", long("a", "c", "a", "b")), answers("q", long("a", "b"))])
    assert broken == NoveltyResult(
        (0, UNKNOWN, 0, UNKNOWN), (None,) * 4, (None,) * 4, (False,) * 4, ("HTTP 500",)
    )
    assert (whole.partition, whole.scores, whole.reasons) == ((0, 1), (1, 2), ())
    assert {answer.prompt for answer in model.asked} == {"q"}
    metric.close()
    # The next run asks what is missing, and no more.
    test, model = CountingTest(by_first_word), CountingReward(by_letter)
    metric = new(test, model)
    broken, again = metric.judge([answers("p", long("a", "c", "a", "b")), answers("q", long("a", "b"))])
    assert (broken.partition, broken.scores) == ((0, 1, 0, 2), (1, 2, None, 2))
    assert again == whole
    assert [(a[0], b[0]) for a, b in test.asked] == [("a", "c"), ("c", "b")]
    assert {answer.prompt for answer in model.asked} == {"p"}
    metric.close()


def test_a_reward_that_could_not_be_had_leaves_no_score_and_says_why(new: New) -> None:
    def says(answer: Answer) -> Reward:
        return (
            Reward(None, f"{answer.response[0]} is too long")
            if answer.response[0] in "bd"
            else by_letter(answer)
        )

    metric = new(CountingTest(by_first_word), CountingReward(says))
    (result, other) = metric.judge([answers("p", long("a", "b", "d", "b")), answers("q", long("a"))])
    assert result.partition == (0, 1, 2, 1)
    assert result.scores == (1, None, None, None)
    assert result.rewards == (-5.0, None, None, None)
    assert result.reasons == ("b is too long", "d is too long")
    assert (other.scores, other.reasons) == ((1,), ())
    metric.close()


def test_each_reason_is_said_once_and_to_its_own_prompt(new: New) -> None:
    reasons = {"ab": "one", "ac": "one", "ba": "the other way round", "cd": "two", "ce": "three"}

    def says(a: str, b: str) -> Comparison:
        reason = reasons.get(a[0] + b[0])
        return Comparison(None, reason=reason) if reason else by_first_word(a, b)

    metric = new(CountingTest(says), None, scored=False)
    prompts = [("p", "abc"), ("p", "aa"), ("q", "ba"), ("r", "cde"), ("p", "cd"), ("s", "a")]
    found = metric.judge([answers(prompt, long(*letters)) for prompt, letters in prompts])
    # A known partition needs no excuse, also where another row has the same prompt.
    assert [result.reasons for result in found] == [
        ("one",), (), ("the other way round",), ("two", "three"), ("two",), ()
    ]  # fmt: skip
    assert [result.partition for result in found[:3]] == [(0, UNKNOWN, UNKNOWN), (0, 0), (0, UNKNOWN)]
    metric.close()


def test_without_a_reward_model_there_are_no_scores(new: New) -> None:
    metric = new(CountingTest(by_first_word), None, scored=False)
    (result,) = metric.judge([answers("p", long("a", "b"))])
    assert (result.partition, result.scores, result.rewards) == ((0, 1), None, None)
    assert not metric.scores_responses
    assert metric.score_fields() == {}
    assert metric.record()["reward"] is None
    metric.close()


def test_responses_that_were_cut_are_marked(new: New) -> None:
    test = CountingTest(
        lambda a, b: Comparison(a[0] == b[0], float(a[0] == b[0]), (a[0] == "b", b[0] == "b"))
    )
    metric = new(test, CountingReward(by_letter))
    prompts = [answers("p", long("a", "b", "c")), answers("q", long("b"))]
    # The only response to q was compared with nothing.
    assert [result.cut for result in metric.judge(prompts)] == [(False, True, False), (False,)]
    metric.close()


def test_what_was_kept_is_all_that_is_known_when_nothing_may_be_asked(new: New) -> None:
    p, q = answers("p", long("a", "b")), answers("q", long("a", "c"))
    metric = new(CountingTest(by_first_word), CountingReward(by_letter))
    full = metric.judge([p])
    metric.close()
    metric = new(None, None)
    kept = metric.kept([p, q, answers("r", long("a"))], "stopped")
    assert kept[0] == full[0]
    assert (kept[1].partition, kept[1].scores, kept[1].reasons) == ((0, UNKNOWN), (None, None), ("stopped",))
    # One response is a class without any comparison, but its reward is missing.
    assert (kept[2].partition, kept[2].scores, kept[2].reasons) == ((0,), (None,), ("stopped",))
    metric.close()


def test_open_loads_both_and_close_gives_them_back(new: New) -> None:
    test, model = CountingTest(by_first_word), CountingReward(by_letter)
    metric = new(test, model)
    metric.open()
    assert metric.record() == {
        "metric_version": "1.0",
        "classifier": metric.comparer.record(),
        "reward": metric.rewarder.record() if metric.rewarder else None,
    }
    assert metric.record()["classifier"]["running"] == {"device": "paper"}
    metric.close()
    assert test.closed
    assert model.closed
    with pytest.raises(DiversityEvalError):
        metric.store.count()


def test_what_a_value_depends_on(new: New) -> None:
    metric = new(None, None)
    assert metric.partition_fields() == {"metric_version": "1.0", **CLASSIFIER.signature_fields()}
    assert metric.score_fields() == REWARD.signature_fields()
    assert not metric.partition_fields().keys() & metric.score_fields().keys()
    metric.close()


@pytest.mark.parametrize(
    ("name", "suffix"), [("novelty-bench", ""), ("exact", "_exact"), ("rouge1", "_rouge1")]
)
def test_the_metric_of_a_shipped_classifier(tmp_path: Path, name: str, suffix: str) -> None:
    files = {"store": tmp_path / "out" / "novelty.sqlite", "verdicts": tmp_path / "out" / "verdicts.sqlite"}
    metric = novelty_metric(load_classifier(name), load_reward("skywork-27b"), **files, progress=False)
    assert (metric.version, metric.suffix, metric.scores_responses) == ("1.0", suffix, True)
    assert files["store"].is_file()
    metric.close()
    without = novelty_metric(load_classifier(name), None, **files, progress=False)
    (result,) = without.kept([answers("p", ["a", "b", "a"])], "stopped")
    assert result.partition == (0, 1, 0)
    assert not without.scores_responses
    without.close()


def test_metric_version_1_1_scores_by_its_judge(tmp_path: Path) -> None:
    with pytest.raises(
        DiversityEvalError, match=r"judge scores responses too; leave reward model skywork-27b out"
    ):
        novelty_metric(
            load_classifier("v1.1"), load_reward("skywork-27b"),
            store=tmp_path / "novelty.sqlite", verdicts=tmp_path / "verdicts.sqlite",
        )  # fmt: skip
    assert not list(tmp_path.iterdir())
