import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from diversity_eval.errors import DiversityEvalError
from diversity_eval.judging.novelty.comparer import Comparer
from diversity_eval.judging.novelty.config import ClassifierConfig, load_classifier
from diversity_eval.judging.novelty.items import Answer, Comparison
from diversity_eval.judging.novelty.text_tests import ExactTest, Rouge1Test
from diversity_eval.judging.result_store import ResultStore
from diversity_eval.metrics.novelty import UNKNOWN
from tests.judging.novelty.counting import CountingTest, always, answers, by_first_word, long

CONFIG = ClassifierConfig("own", "classifier", "org/pairs")

# The examples of a property share a folder, so that each needs a model of its own.
_names = itertools.count()

New = Callable[..., Comparer]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ResultStore]:
    with ResultStore(tmp_path / "novelty.sqlite") as made:
        yield made


@pytest.fixture
def new(store: ResultStore) -> New:
    """Another process's comparer over the same store."""

    def comparer(test: CountingTest | None, config: ClassifierConfig = CONFIG) -> Comparer:
        def open_with(_: ClassifierConfig, __: ResultStore) -> CountingTest:
            assert test is not None, "nothing is to be loaded"
            return test

        return Comparer(config, store, open_with=open_with, progress=False)

    return comparer


def not_known(a: str, b: str) -> Comparison:
    return Comparison(None, reason=f"no answer to {a.split()[0]}, {b.split()[0]}")


# What is asked


def test_rules_come_first(new: New) -> None:
    test = CountingTest(by_first_word)
    comparer = new(test)
    prompt = answers("p", ["Paris", "paris", "Rome", "", " ", *long("Rome")])
    partitions, cut, reasons = comparer.compare([prompt])
    # Paris and paris by the rule, also Rome, the two empty ones; all against the long one by the test.
    assert partitions == [[0, 0, 1, 2, 2, 1]]
    assert (cut, reasons) == ({}, {})
    assert [pair[1] for pair in test.asked] == long("Rome") * 2
    assert comparer.asked == 2
    # Paris with paris, Rome and two empty ones; Rome with two empty ones; an empty one with the other.
    assert comparer.by_rule == 7
    assert comparer.record() == {
        **CONFIG.record(), "running": {"device": "paper"}, "compared": 2, "from_store": 0, "by_rule": 7,
        "repeated": 0, "seconds_comparing": pytest.approx(0, abs=5),
    }  # fmt: skip


def test_the_test_is_loaded_when_it_is_needed_and_once(store: ResultStore) -> None:
    opened = []

    def open_with(config: ClassifierConfig, at: ResultStore) -> CountingTest:
        assert (config, at) == (CONFIG, store)
        opened.append(CountingTest(by_first_word))
        return opened[-1]

    comparer = Comparer(CONFIG, store, open_with=open_with, progress=False)
    assert comparer.compare([answers("p", ["one", "two"]), answers("q", [""]), []])[0] == [[0, 1], [0], []]
    assert not opened
    assert comparer.record()["running"] == {}
    for word in ("a", "b"):
        comparer.compare([answers("p", long(word, "x"))])
    assert len(opened) == 1
    assert comparer.open() is opened[0]
    comparer.close()
    assert opened[0].closed
    comparer.close()


def test_equal_texts_are_compared_once_whatever_the_prompt(new: New) -> None:
    test = CountingTest(by_first_word)
    comparer = new(test)
    texts = long("a", "b", "c")
    prompts = [answers(prompt, texts) for prompt in ("p", "q", "p")]
    assert comparer.compare(prompts)[0] == [[0, 1, 2]] * 3
    assert len(test.asked) == len(set(test.asked)) == comparer.asked == 3
    # p and q ask the same three; the second p is p. Another order of two texts is another question.
    assert (comparer.repeated, comparer.from_store) == (3, 0)
    assert comparer.compare([answers("r", texts[::-1])])[0] == [[0, 1, 2]]
    assert len(test.asked) == 6
    # What comes up again in a later call was compared by this process too.
    comparer.compare([answers("s", texts)])
    assert (comparer.asked, comparer.repeated, comparer.from_store) == (6, 6, 0)
    # Also in a later wave: b-c is asked by t at first and by u after a.
    again = new(None)
    again.compare([answers("t", texts[1:]), answers("u", texts)])
    assert (again.asked, again.repeated, again.from_store) == (0, 1, 3)


@given(st.lists(st.lists(st.sampled_from("abcdef"), max_size=8), max_size=4), st.randoms())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
def test_with_a_store_that_holds_some_the_classes_are_the_same(
    tmp_path: Path, letters: list[list[str]], random: Any
) -> None:
    """And every pair of texts is met once: asked, or from the store."""
    table = {(a, b): random.random() for a in "abcdef" for b in "abcdef"}

    def says(a: str, b: str) -> Comparison:
        return Comparison(table[a[0], b[0]] > 0.6, table[a[0], b[0]])

    config = ClassifierConfig("own", "classifier", f"org/{next(_names)}", threshold=0.6)
    prompts = [answers(str(n), long(*part)) for n, part in enumerate(letters)]
    with ResultStore(tmp_path / "many.sqlite") as store:
        all_asked = []
        for some in (prompts[:2], prompts, prompts):
            test = CountingTest(says)
            comparer = Comparer(config, store, open_with=lambda *_, t=test: t, progress=False)
            found = comparer.compare(some)[0]
            all_asked += test.asked
            assert comparer.asked == len(test.asked)
    assert not test.asked
    assert len(all_asked) == len(set(all_asked))
    with ResultStore(tmp_path / "none.sqlite") as store:
        alone = replace(config, model=f"org/{next(_names)}")
        for prompt, classes in zip(prompts, found, strict=True):
            comparer = Comparer(alone, store, open_with=lambda *_: CountingTest(says), progress=False)
            assert comparer.compare([prompt])[0] == [classes]


# What is stored


def test_after_an_exception_only_what_is_missing_is_asked(new: New) -> None:
    prompts = [answers("p", long(*"abcde")), answers("q", long(*"vwxyz"))]
    broken = CountingTest(by_first_word, breaks_after=5)
    comparer = new(broken)
    with pytest.raises(KeyboardInterrupt):
        comparer.compare(prompts)
    assert len(broken.asked) == 5
    # Batches of two: the fifth comparison was made, but its batch did not arrive.
    assert comparer.asked == 4
    test = CountingTest(by_first_word)
    again = new(test)
    assert again.compare(prompts)[0] == [[0, 1, 2, 3, 4]] * 2
    assert again.from_store == 4
    assert not set(broken.asked[:4]) & set(test.asked)
    # Two prompts of 5 different responses: 10 pairs each.
    assert len(test.asked) == again.asked == 20 - 4
    third = new(None)
    assert third.compare(prompts)[0] == [[0, 1, 2, 3, 4]] * 2
    assert (third.from_store, third.asked) == (20, 0)


def test_what_is_not_known_is_asked_again_another_time(new: New, store: ResultStore) -> None:
    prompt = answers("p", long("a", "b", "c"))
    failing = CountingTest(lambda a, b: not_known(a, b) if b[0] == "b" else by_first_word(a, b))
    partitions, _, reasons = new(failing).compare([prompt])
    assert partitions == [[0, UNKNOWN, UNKNOWN]]
    assert reasons == {("p", prompt[0].response, prompt[1].response): "no answer to a, b"}
    assert store.count() == 1
    test = CountingTest(by_first_word)
    partitions, _, reasons = new(test).compare([prompt])
    assert partitions == [[0, 1, 2]]
    assert reasons == {}
    assert [(a[0], b[0]) for a, b in test.asked] == [("a", "b"), ("b", "c")]


@pytest.mark.parametrize("probability", [float("nan"), float("inf"), -0.01, 1.01])
def test_what_is_no_probability_is_not_known_whatever_the_test_makes_of_it(
    new: New, store: ResultStore, probability: float
) -> None:
    prompt = answers("p", long("a", "b"))
    for same in (True, False):
        comparer = new(CountingTest(always(Comparison(same, probability))))
        partitions, _, reasons = comparer.compare([prompt])
        assert partitions == [[0, UNKNOWN]]
        (reason,) = reasons.values()
        assert f"probability is {probability}, expected one from 0 to 1" in reason
    assert store.count() == 0


def test_a_test_that_leaves_a_pair_out_has_not_decided_it(new: New, store: ResultStore) -> None:
    class Forgetful(CountingTest):
        def compare(self, pairs: Any, on_results: Any) -> None:
            super().compare(pairs, lambda batch: on_results(batch[1:]))

    prompt = answers("p", long("a", "b", "c", "d"))
    for config in (CONFIG, load_classifier("exact")):
        partitions, _, reasons = new(Forgetful(by_first_word), config).compare([prompt])
        assert partitions == [[0, UNKNOWN, UNKNOWN, UNKNOWN]]
        assert set(reasons.values()) == {"the test gave no answer"}


def test_another_threshold_needs_no_new_comparison(new: New) -> None:
    probabilities = {"b": 0.05, "c": 0.102, "d": 0.2, "e": 1.0}
    test = CountingTest(lambda a, b: Comparison(None, probabilities[b[0]] if a[0] == "a" else 0.0))
    prompt = answers("p", long(*"abcde"))
    # At the threshold is not above it.
    assert new(test).compare([prompt])[0] == [[0, 1, 2, 0, 0]]
    for threshold, expected in ((0.0, [0, 0, 0, 0, 0]), (0.101, [0, 1, 0, 0, 0]), (0.102, [0, 1, 2, 0, 0])):
        config = ClassifierConfig("own", "classifier", "org/pairs", threshold=threshold)
        assert new(None, config).compare([prompt])[0] == [expected]


@pytest.mark.parametrize(
    "change",
    [{"model": "org/other"}, {"max_tokens": 127}, {"same_label": 0}, {"dtype": "bfloat16"},
     {"revision": "abc"}, {"quantization": "nf4"}, {"tokenizer": "org/tok"}],
)  # fmt: skip
def test_another_model_s_comparisons_are_not_taken(new: New, change: dict[str, Any]) -> None:
    prompt = answers("p", long("a", "b"))
    new(CountingTest(by_first_word)).compare([prompt])
    test = CountingTest(by_first_word)
    new(
        test, ClassifierConfig(**{"name": "own", "test": "classifier", "model": "org/pairs", **change})
    ).compare([prompt])
    assert len(test.asked) == 1


def test_what_was_cut_is_known_from_the_store_too(new: New) -> None:
    prompts = [answers("p", long("a", "b", "c")), answers("q", long("a", "x"))]
    test = CountingTest(lambda a, b: Comparison(False, 0.0, cut=(a[0] in "ax", b[0] in "ax")))
    expected = {prompts[0][0]: True, prompts[1][0]: True, prompts[1][1]: True}
    assert new(test).compare(prompts)[1] == expected
    assert new(None).compare(prompts)[1] == expected
    assert new(None).compare(prompts, missing_because="stopped")[1] == expected


TAMPERED: list[Any] = [{}, [], 5, {"probability": "x", "cut": [0, 0]}, {"probability": 0.1, "cut": 5},
                       {"probability": None, "cut": [0, 0]}, {"probability": 0.1, "cut": [0]}]  # fmt: skip


def test_a_tampered_store_is_told(new: New, store: ResultStore) -> None:
    prompt = answers("p", long("a", "b"))
    new(CountingTest(by_first_word)).compare([prompt])
    for result in TAMPERED:
        store._db.execute("UPDATE results SET result = ?", (json.dumps(result),))
        with pytest.raises(DiversityEvalError, match="holds something that is no result"):
            new(None).compare([prompt])


# Asking nothing


def test_with_a_reason_nothing_is_asked_or_loaded(new: New) -> None:
    known, half, unknown = (answers(p, long(*texts)) for p, texts in (("p", "ab"), ("q", "abc"), ("r", "xy")))
    new(CountingTest(by_first_word)).compare([known])
    short = answers("s", ["one", "two", ""])
    comparer = new(None)
    partitions, _, reasons = comparer.compare([known, half, unknown, short], missing_because="stopped")
    assert partitions == [[0, 1], [0, UNKNOWN, UNKNOWN], [0, UNKNOWN], [0, 1, 2]]
    assert reasons == {
        ("q", half[0].response, half[2].response): "stopped",
        ("r", unknown[0].response, unknown[1].response): "stopped",
    }
    assert comparer.asked == 0


def test_text_tests_cost_nothing_so_they_answer_all_the_same(store: ResultStore) -> None:
    prompt = answers("p", ["a", "b", "a"])
    exact = Comparer(load_classifier("exact"), store, progress=False)
    assert exact.compare([prompt], missing_because="stopped")[0] == [[0, 1, 0]]
    judge = Comparer(load_classifier("judge"), store, progress=False)
    others = answers("p", ["a", "b", "c"])
    assert judge.compare([others], missing_because="stopped")[0] == [[0, UNKNOWN, UNKNOWN]]
    judge.close()
    # What a judge says is kept beside the store, never in whatever folder one works in.
    assert store.path.with_name("verdicts.sqlite").is_file()


# Every test


@pytest.mark.parametrize("name", ["novelty-bench", "exact", "rouge1", "judge"])
def test_two_empty_responses_are_the_same_under_every_test(new: New, name: str) -> None:
    comparer = new(None, load_classifier(name))
    assert comparer.compare([answers("p", ["", " \n", "\t"])])[0] == [[0, 0, 0]]
    assert comparer.by_rule == 2


def test_the_rule_for_short_responses_is_the_classifier_s_alone(store: ResultStore) -> None:
    prompt = answers("p", ["Paris", "paris", "Paris!"])
    classifier = Comparer(CONFIG, store, progress=False)
    assert classifier.compare([prompt])[0] == [[0, 0, 1]]
    exact = Comparer(load_classifier("exact"), store, progress=False)
    assert exact.compare([prompt])[0] == [[0, 1, 2]]
    rouge = Comparer(load_classifier("rouge1"), store, progress=False)
    assert rouge.compare([prompt])[0] == [[0, 0, 0]]
    assert (type(exact.open()), type(rouge.open())) == (ExactTest, Rouge1Test)
    assert store.count() == 0
    assert (exact.asked, rouge.asked) == (3, 2)
    assert exact.signature_fields() == {"test": "exact"}


def test_reasons_are_those_of_each_prompt(new: New) -> None:
    """The question of equal texts is asked once, and its failure is every prompt's that asked it."""
    prompts = [answers("p", long("a", "b")), answers("q", long("a", "b", "c")), answers("r", long("x", "y"))]
    test = CountingTest(lambda a, b: not_known(a, b) if b[0] == "b" else by_first_word(a, b))
    partitions, _, reasons = new(test).compare(prompts)
    assert partitions == [[0, UNKNOWN], [0, UNKNOWN, UNKNOWN], [0, 1]]
    a, b = long("a", "b")
    assert reasons == {("p", a, b): "no answer to a, b", ("q", a, b): "no answer to a, b"}
    assert len(test.asked) == 3


def test_an_answer_of_odd_characters_is_compared_as_it_is(new: New) -> None:
    texts = [f"{odd} one two three four five" for odd in ("\ud800", "\x00", "\u2028", "é", "e\u0301")]
    test = CountingTest(always(Comparison(False, 0.0)))
    assert new(test).compare([[Answer("\udfff", text) for text in texts]])[0] == [[0, 1, 2, 3, 4]]
    assert new(None).compare([[Answer("other", text) for text in texts]])[0] == [[0, 1, 2, 3, 4]]
