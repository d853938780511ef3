from typing import Any

import pytest

from diversity_eval.scoring.unscored import Unscored


def rows(rated: int, *reasons: str) -> list[dict[str, Any]]:
    return [{"ratings": [3] * rated, "unscored": []}] + [
        {"ratings": [None], "unscored": [{"response": 0, "reason": reason, "reply": ""}]}
        for reason in reasons
    ]


@pytest.mark.parametrize(("rated", "too_many"), [(18, True), (19, False), (0, True)])
def test_one_in_twenty_is_the_limit(rated: int, too_many: bool) -> None:
    unscored = Unscored.of_rows(rows(rated, "no answer"))
    assert (unscored.count, unscored.responses, unscored.too_many) == (1, rated + 1, too_many)


def test_nothing_unscored_is_fine() -> None:
    assert not Unscored.of_rows(rows(0)).too_many


def test_the_most_common_reasons_come_first_and_in_one_line() -> None:
    total = Unscored.of_rows(rows(1, "a\nb", "c", "c")) + Unscored.of_rows(rows(1, "c", "d", "d", "e"))
    assert total.responses == 9
    assert total.most_common() == "c (3); d (2); a b (1); and 1 other reasons"
