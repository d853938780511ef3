"""How the first generated token is distributed over the known answers to one prompt.

An answer is known by the first tokens of its surface forms. A token that right and wrong answers share tells
nothing and is kept apart; one that several right answers share makes them one outcome.
"""

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any, Literal

from diversity_eval.errors import DiversityEvalError

__all__ = ["FIRST_TOKEN_HIGHER_IS_BETTER", "FirstTokenMetrics", "Outcome", "first_token_metrics"]

FIRST_TOKEN_HIGHER_IS_BETTER: Mapping[str, bool | None] = MappingProxyType(
    {
        "mass_right": True,
        "entropy": True,
        "kl_uniform": False,
        "mass_distractors": False,
        "mass_shared": None,
        "mass_rest": None,
    }
)
"""The numbers of `FirstTokenMetrics`, and whether higher is better."""

Kind = Literal["right", "distractor", "shared"]

_TOLERANCE = 1e-4  # probabilities from float32 or bfloat16 logits can sum to a little more than 1


@dataclass(frozen=True, slots=True)
class Outcome:
    """Answers that first tokens do not tell apart.

    Attributes:
        answers: their names, in the order given; of `shared` ones the right answers first.
        kind: whether the tokens begin right answers only (`right`), distractors only, or both (`shared`).
        tokens: the ids, in increasing order.
        probability: of all these tokens together, 0 to 1.
    """

    answers: tuple[str, ...]
    kind: Kind
    tokens: tuple[int, ...]
    probability: float


@dataclass(frozen=True, slots=True)
class FirstTokenMetrics:
    """The distribution of the first token after one prompt.

    Attributes:
        mass_right: the probability of the tokens that begin right answers only; higher is better.
        entropy: of the right outcomes among themselves, in nats, from 0 to the logarithm of their number;
            higher is more diverse.
        kl_uniform: the Kullback-Leibler divergence of that distribution from the one that gives every right
            answer the same, in nats; 0 is even, lower is better.
        mass_distractors: the probability of the tokens that begin distractors only; lower is better.
        mass_shared: of those that begin right answers and distractors.
        mass_rest: one minus the other masses.
        distribution: outcomes, first right ones, then distractors, then shared ones; those of a kind sum to
            its mass, and leave out answers without a token of that kind.
        shared: every token that begins several answers, by itself.
    """

    mass_right: float
    entropy: float
    kl_uniform: float
    mass_distractors: float
    mass_shared: float
    mass_rest: float
    distribution: tuple[Outcome, ...]
    shared: tuple[Outcome, ...]

    def notes(self) -> dict[str, Any]:
        """`distribution` and `shared` as dictionaries, for a log."""
        return {
            "distribution": [asdict(outcome) for outcome in self.distribution],
            "shared": [asdict(outcome) for outcome in self.shared],
        }


def first_token_metrics(
    tokens: Mapping[str, Collection[int]],
    distractors: Mapping[str, Collection[int]],
    log_probabilities: Mapping[int, float],
) -> FirstTokenMetrics:
    """Masses of right and wrong answers, and how even the right ones are.

    Let q_g be the probability of a right outcome g over `mass_right`, s_g the number of answers in it, m the
    number of right answers. `entropy` is -sum q_g ln q_g; `kl_uniform` is sum q_g ln(q_g m / s_g).

    Args:
        tokens: for each right answer the ids of the tokens that it can begin with.
        distractors: likewise for known wrong answers.
        log_probabilities: the natural logarithm of the probability of each of these ids; -inf is none.

    Returns:
        The metrics. `entropy` and `kl_uniform` are nan if a right answer shares all its tokens with
        distractors, or if no right answer has any probability.

    Raises:
        DiversityEvalError: no right answer, an answer without tokens, a token without a probability, or
            probabilities that sum to more than 1.
    """
    if not tokens:
        raise DiversityEvalError("first_token_metrics needs at least one right answer, but got none")
    answers = [*tokens.items(), *distractors.items()]
    for name, ids in answers:
        if not ids:
            raise DiversityEvalError(f"first_token_metrics needs a token for every answer; {name!r} has none")
    begins_right, begins_wrong = set().union(*tokens.values()), set().union(*distractors.values())
    logs = {token: _log(token, log_probabilities) for token in sorted(begins_right | begins_wrong)}
    kinds: dict[Kind, set[int]] = {
        "right": begins_right - begins_wrong,
        "distractor": begins_wrong - begins_right,
        "shared": begins_right & begins_wrong,
    }

    def outcome(names: tuple[str, ...], kind: Kind, ids: Collection[int]) -> Outcome:
        return Outcome(names, kind, tuple(sorted(ids)), math.exp(_log_sum(logs[i] for i in ids)))

    masses = {kind: math.exp(_log_sum(logs[i] for i in ids)) for kind, ids in kinds.items()}
    rest = 1 - math.fsum(masses.values())
    if rest < -_TOLERANCE:
        raise DiversityEvalError(
            f"first_token_metrics needs probabilities that sum to at most 1, but they sum to {1 - rest:.6g}"
        )
    groups = {kind: _components(answers, ids) for kind, ids in kinds.items()}
    hidden = any(kinds["right"].isdisjoint(ids) for ids in tokens.values())
    weights = [(len(names), _log_sum(logs[i] for i in ids)) for names, ids in groups["right"]]
    entropy, kl_uniform = (math.nan, math.nan) if hidden else _evenness(weights, len(tokens))
    kind_of = {i: kind for kind, ids in kinds.items() for i in ids}
    alike = {i: tuple(name for name, ids in answers if i in ids) for i in logs}
    return FirstTokenMetrics(
        mass_right=masses["right"],
        entropy=entropy,
        kl_uniform=kl_uniform,
        mass_distractors=masses["distractor"],
        mass_shared=masses["shared"],
        mass_rest=max(rest, 0.0),
        distribution=tuple(outcome(names, kind, ids) for kind in kinds for names, ids in groups[kind]),
        shared=tuple(outcome(alike[i], kind_of[i], [i]) for i in logs if len(alike[i]) > 1),
    )


def _log(token: int, log_probabilities: Mapping[int, float]) -> float:
    value = log_probabilities.get(token)
    if value is None or math.isnan(value) or value > _TOLERANCE:
        raise DiversityEvalError(
            f"first_token_metrics needs a log-probability of at most 0 for token {token}, but got {value}"
        )
    return value


def _log_sum(logs: Iterable[float]) -> float:
    """ln of the sum of exp: sums that underflow keep their proportions."""
    values = list(logs)
    largest = max(values, default=-math.inf)
    if largest == -math.inf:
        return -math.inf
    return largest + math.log(math.fsum(math.exp(value - largest) for value in values))


def _evenness(weights: list[tuple[int, float]], answers: int) -> tuple[float, float]:
    """Entropy and divergence of outcomes, given as (number of answers, log of the probability)."""
    total = _log_sum(log for _, log in weights)
    if total == -math.inf:
        return math.nan, math.nan
    terms = [(size, log - total) for size, log in weights if log > -math.inf]  # q ln q is 0 at 0
    entropy = math.fsum(-math.exp(log) * log for _, log in terms)
    divergence = math.fsum(math.exp(log) * (log - math.log(size / answers)) for size, log in terms)
    return max(0.0, entropy), max(0.0, divergence)  # rounding, and no -0.0


def _components(
    answers: list[tuple[str, Collection[int]]], kind: set[int]
) -> list[tuple[tuple[str, ...], set[int]]]:
    """Answers that tokens of one kind link with one another, with these tokens; in the order given."""
    groups: list[tuple[list[int], set[int]]] = []
    for place, (_, ids) in enumerate(answers):
        own = kind.intersection(ids)
        if not own:
            continue
        places = [place]
        apart = []
        for members, theirs in groups:
            if own.isdisjoint(theirs):
                apart.append((members, theirs))
            else:
                places += members
                own |= theirs
        groups = [*apart, (places, own)]
    ordered = sorted((sorted(places), ids) for places, ids in groups)
    return [(tuple(answers[place][0] for place in places), ids) for places, ids in ordered]
