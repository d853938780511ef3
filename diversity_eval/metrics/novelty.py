"""NoveltyBench: how many different things K responses say, and what they are worth to a patient user.

Source: Zhang et al. 2025, "NoveltyBench: Evaluating Language Models for Humanlike Diversity", metric version
1.0. Whether two responses say the same is for the caller's `same`; nothing here loads a model.
"""

import math
from bisect import bisect_left
from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

from diversity_eval.errors import DiversityEvalError

__all__ = [
    "PATIENCE",
    "REWARD_THRESHOLDS",
    "UNKNOWN",
    "distinct",
    "is_known",
    "partition",
    "representatives",
    "reward_to_score",
    "short_responses_same",
    "utility",
]

PATIENCE = 0.8
"""The probability that a user looks at one more response."""

REWARD_THRESHOLDS = (-7.71875, -6.28125, -6.0, -5.71875, -5.5, -5.0, -4.375, -3.4375, -2.046875)
"""Where the benchmark's scores change, on the raw scale of Skywork-Reward-Gemma-2-27B-v0.2."""

UNKNOWN = -1
"""In a partition: the class of a response that no comparison could settle."""

_LONGEST_SHORT = 5  # words

Item = TypeVar("Item", bound=Hashable)


def partition(
    batches_of_responses: Sequence[Sequence[Item]],
    same: Callable[[list[tuple[Item, Item]]], Sequence[bool | None]],
) -> list[list[int]]:
    """Equivalence classes of the responses to each of many prompts.

    Within a prompt, in order: a response that is in no class yet opens one and, as its representative, is
    compared with every later response that is in no class; those judged the same join. Different prompts do
    not touch each other, so all of them advance together: in each wave `same` gets the comparisons of every
    prompt's newest representative. The classes are those of comparing one pair at a time, whatever relation
    `same` is, also one that is neither symmetric nor transitive.

    Args:
        batches_of_responses: per prompt, its K responses: texts, or anything hashable that `same` takes.
        same: from a list of different pairs (representative, later response) to True, False, or None where it
            is not known. Equal pairs of one wave are asked once.

    Returns:
        Per prompt, the class of each response, counted from 0 in the order in which the classes were opened.
        A comparison that is not known ends its prompt: the responses whose class is open then have `UNKNOWN`,
        and the partition has no `distinct`.

    Raises:
        DiversityEvalError: `same` returns another number of answers than there are pairs.
    """
    classes = [[UNKNOWN] * len(responses) for responses in batches_of_responses]
    opened = [0] * len(classes)
    going = [index for index, responses in enumerate(batches_of_responses) if len(responses)]
    while going:
        asked: dict[tuple[Item, Item], bool | None] = {}
        waves: list[tuple[int, int, list[int]]] = []
        for index in going:
            responses, known = batches_of_responses[index], classes[index]
            head = known.index(UNKNOWN)
            known[head] = opened[index]
            rest = [later for later in range(head + 1, len(known)) if known[later] == UNKNOWN]
            asked |= dict.fromkeys((responses[head], responses[later]) for later in rest)
            waves.append((index, head, rest))
        asked = _answers(list(asked), same)
        going = []
        for index, head, rest in waves:
            responses, known = batches_of_responses[index], classes[index]
            answers = [asked[responses[head], responses[later]] for later in rest]
            for later, answer in zip(rest, answers, strict=True):
                if answer:
                    known[later] = opened[index]
            opened[index] += 1
            if None not in answers and UNKNOWN in known:
                going.append(index)
    return classes


def _answers(
    pairs: list[tuple[Item, Item]], same: Callable[[list[tuple[Item, Item]]], Sequence[bool | None]]
) -> dict[tuple[Item, Item], bool | None]:
    if not pairs:
        return {}
    answers = same(pairs)
    if len(answers) != len(pairs):
        raise DiversityEvalError(
            f"partition: `same` has to return one answer for each of {len(pairs)} pairs, but it returned "
            f"{len(answers)}"
        )
    return dict(zip(pairs, answers, strict=True))


def is_known(partition: Sequence[int]) -> bool:
    """Whether every response's class is known."""
    return UNKNOWN not in partition


def distinct(partition: Sequence[int]) -> int:
    """Distinct-K: the number of equivalence classes, 1 to K, higher is more diverse.

    NoveltyBench's scripts up to autumn 2026 stored the highest class index, which is one less.

    Args:
        partition: the class of each response (`partition`).

    Raises:
        DiversityEvalError: no response, or a class that is not known.
    """
    _check(partition, "distinct")
    return len(set(partition))


def representatives(partition: Sequence[int]) -> list[int]:
    """The places of the responses that open a class, in order; only they are worth anything to `utility`.

    Raises DiversityEvalError for no response, or a class that is not known.
    """
    _check(partition, "representatives")
    first: dict[int, int] = {}
    for place, label in enumerate(partition):
        first.setdefault(label, place)
    return list(first.values())


def reward_to_score(reward: float, thresholds: Sequence[float] = REWARD_THRESHOLDS) -> int:
    """The score of a raw reward: 1 plus the number of thresholds that lie strictly below it.

    Args:
        reward: the reward model's raw output.
        thresholds: increasing; the benchmark's nine give scores from 1 to 10.

    Raises:
        DiversityEvalError: the reward is not a number.
    """
    if math.isnan(reward):
        raise DiversityEvalError(
            "reward_to_score: the reward is nan; a reward model that gives nan is broken, or runs in a dtype "
            "that cannot hold its values (try bfloat16 or float32)"
        )
    return 1 + bisect_left(thresholds, reward)


def utility(partition: Sequence[int], scores: Sequence[float | None], patience: float = PATIENCE) -> float:
    """Utility-K: what a user gets who reads response after response, and wants something new each time.

    The mean of the responses' scores with weights patience^i (i from 0), where a response that opens no new
    class counts 0.

    Args:
        partition: the class of each response (`partition`).
        scores: one for each response, the benchmark's from 1 to 10, higher is better. Those of responses that
            open no class are not looked at and may be None.
        patience: above 0, at most 1.

    Returns:
        0 to 10 with the benchmark's scores; higher is better. nan if a score that counts is None or nan.

    Raises:
        DiversityEvalError: another number of scores than of responses, no response, a class that is not
            known, a patience out of range.
    """
    _check(partition, "utility")
    if len(scores) != len(partition):
        raise DiversityEvalError(
            f"utility needs one score per response, but got {len(scores)} for {len(partition)} responses"
        )
    if not 0 < patience <= 1:
        raise DiversityEvalError(f"utility: patience is {patience}; expected a number above 0, at most 1")
    weights = [patience**place for place in range(len(partition))]
    counting = [(weights[place], scores[place]) for place in representatives(partition)]
    known = [weight * score for weight, score in counting if score is not None]
    return math.fsum(known) / math.fsum(weights) if len(known) == len(counting) else math.nan


def short_responses_same(a: str, b: str) -> bool | None:
    """Whether two short responses are the same; None if one of them is not short.

    Short are responses of at most five words (between white space, lower case). They are the same if twice
    the number of different words that both have is at least the number of words of the longer one. Two empty
    responses are the same.
    """
    words = a.lower().split(), b.lower().split()
    longer = max(map(len, words))
    if longer > _LONGEST_SHORT:
        return None
    return 2 * len(set(words[0]) & set(words[1])) >= longer


def _check(partition: Sequence[int], what: str) -> None:
    if not partition:
        raise DiversityEvalError(f"{what} needs the classes of at least one response, but got none")
    if not is_known(partition):
        raise DiversityEvalError(
            f"{what} is not defined: {list(partition).count(UNKNOWN)} responses have no class, because a "
            "comparison failed; repeat it, or leave the prompt out and say so"
        )
