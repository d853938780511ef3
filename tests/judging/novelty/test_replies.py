"""The parsers of a judge's replies: what is exactly an answer is read, everything else is refused."""

import contextlib
import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diversity_eval.judging.novelty.replies import LONGEST_REPLY, ReplyError, read_groups, read_scores


def groups(value: Any) -> str:
    return json.dumps({"groups": value})


@pytest.mark.parametrize(
    ("reply", "count", "classes"),
    [
        ('{"groups": [[1]]}', 1, [0]),
        ('{"groups": [[1, 2]]}', 2, [0, 0]),
        ('{"groups": [[2], [1]]}', 2, [0, 1]),  # by first appearance, not by place in the list
        ('{"groups": [[3, 2], [4, 1]]}', 4, [0, 1, 1, 0]),
        ('{"groups":[[5],[4],[3],[2],[1]]}', 5, [0, 1, 2, 3, 4]),
        ('\n {"groups"\n:\t[ [ 1 ,3 ] , [2] ] } ', 3, [0, 1, 0]),
        ('```json\n{"groups": [[1], [2]]}\n```', 2, [0, 1]),
        ("Of {three} fruits {1, 2} are apples.\n" + groups([[1, 2], [3]]) + "\nThat is all.", 3, [0, 0, 1]),
        ('{"why": "one says {\\"groups\\": [[1, 2]]}", "groups": [[1], [2]]}', 2, [0, 1]),
        ('{"note": 1} {"groups": [[1], [2]]}', 2, [0, 1]),
        (groups([[1], [2]]) + " As I said: " + groups([[2], [1]]), 2, [0, 1]),
        ('{"groups": [[...], ...]} becomes {"groups": [[1, 2]]}', 2, [0, 0]),
    ],
)
def test_partitions_by_hand(reply: str, count: int, classes: list[int]) -> None:
    assert read_groups(reply, count) == classes


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        ("", "empty"),
        (" \n\t", "empty"),
        ("I cannot sort these.", "no JSON object"),
        ("[[1], [2], [3]]", "no JSON object"),
        ('"groups": [[1], [2], [3]]', "no JSON object"),
        ("{'groups': [[1], [2], [3]]}", "no JSON object"),
        ('{"Groups": [[1], [2], [3]]}', "no JSON object"),
        ('{"answer": {"groups": [[1], [2], [3]]}}', "no JSON object"),
        ('{"groups": [[1], [2], [3]]', "breaks off"),
        ('{"answer": {"groups": [[1], [2], [3]]}', "breaks off"),
        ('{"groups": [[1], [2], [3],]}', "no JSON object"),
        ('{"groups": [[1], [2], [03]]}', "no JSON object"),
        ('{"groups": [[1], [2], [+3]]}', "no JSON object"),
        ('{"groups": null}', "no list of lists"),
        ('{"groups": {"1": [1], "2": [2, 3]}}', "no list of lists"),
        ('{"groups": "[[1], [2], [3]]"}', "no list of lists"),
        ('{"groups": [1, 2, 3]}', "no list of lists"),
        ('{"groups": [[1], [2], 3]}', "no list of lists"),
        ('{"groups": [[1], [[2]], [3]]}', "no list of lists"),
        ('{"groups": [["1"], [2], [3]]}', "no list of lists"),
        ('{"groups": [[true], [2], [3]]}', "no list of lists"),
        ('{"groups": [[1.0], [2], [3]]}', "no list of lists"),
        ('{"groups": [[1e0], [2], [3]]}', "no list of lists"),
        ('{"groups": [[null], [2], [3]]}', "no list of lists"),
        ('{"groups": [[1], [2], [NaN]]}', "holds NaN"),
        ('{"groups": [[1], [2], [3]], "sure": Infinity}', "holds Infinity"),
        ('{"groups": [[1], [2], [3]], "groups": [[1, 2, 3]]}', "a key twice"),
        ('{"groups": [[1], [2], [3]], "a": {"b": 1, "b": 2}}', "a key twice"),
        ('{"groups": []}', "response 1 is in no group"),
        ('{"groups": [[1], [3]]}', "response 2 is in no group"),
        ('{"groups": [[1], [2], [3], []]}', "a group is empty"),
        ('{"groups": [[1, 2], [2, 3]]}', "response 2 is named twice"),
        ('{"groups": [[1, 1], [2], [3]]}', "response 1 is named twice"),
        ('{"groups": [[0], [1], [2], [3]]}', "no response 0 among 3"),
        ('{"groups": [[0], [1], [2]]}', "no response 0 among 3"),
        ('{"groups": [[1], [2], [3], [4]]}', "no response 4 among 3"),
        ('{"groups": [[-1], [2], [3]]}', "no response -1 among 3"),
        ('{"groups": [[1], [2], [3' + "0" * 4000 + "]]}", "very large number"),
        ('{"groups": [[1], [2], [' + "3" * 6000 + "]]}", "too long"),
        ('{"groups": [[1], [2], [3]]} or {"groups": [[1, 2, 3]]}', "several answers that differ"),
        ('{"groups": [[1], [2], [3]]} or {"groups": [[1, 2]]}', "response 3 is in no group"),
        ('{"groups": ' + "[" * 30_000 + "]" * 30_000 + "}", "nested too deeply"),
        ('{"a":' * 10_000, "nested too deeply"),
        ('{"groups": [[1], [2], [3]]}' + " " * LONGEST_REPLY, "longer than"),
    ],
    ids=lambda value: repr(value[:50]),
)
def test_what_is_no_partition_is_refused_with_the_reason(reply: str, said: str) -> None:
    with pytest.raises(ReplyError, match=said) as error:
        read_groups(reply, 3)
    assert len(str(error.value)) < 120
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        ('{"scores": [1, 10]}', "2 numbers for 3"),
        ('{"scores": [1, 5, 10, 5]}', "4 numbers for 3"),
        ('{"scores": []}', "0 numbers for 3"),
        ('{"scores": [0, 5, 10]}', "score 0 is not from 1 to 10"),
        ('{"scores": [1, 5, 11]}', "score 11 is not from 1 to 10"),
        ('{"scores": [1, 5, -1]}', "score -1 is not"),
        ('{"scores": [1, 5, 9.5]}', "no list of whole numbers"),
        ('{"scores": [1, 5, 9.0]}', "no list of whole numbers"),
        ('{"scores": [true, 5, 9]}', "no list of whole numbers"),
        ('{"scores": ["1", 5, 9]}', "no list of whole numbers"),
        ('{"scores": [null, 5, 9]}', "no list of whole numbers"),
        ('{"scores": [[1], [5], [9]]}', "no list of whole numbers"),
        ('{"scores": {"1": 5, "2": 5, "3": 5}}', "no list of whole numbers"),
        ('{"scores": 5}', "no list of whole numbers"),
        ('{"scores": [1, 5, NaN]}', "holds NaN"),
        ('{"groups": [[1], [2], [3]]}', "no JSON object with `scores`"),
        ('{"scores": [1, 5, 9', "breaks off"),
        ('{"scores": [1, 5, 9]} no: {"scores": [1, 5, 8]}', "several answers"),
        ("", "empty"),
    ],
)
def test_what_is_no_list_of_scores_is_refused_with_the_reason(reply: str, said: str) -> None:
    with pytest.raises(ReplyError, match=said):
        read_scores(reply, 3, 1, 10)


def test_scores_by_hand() -> None:
    assert read_scores('{"scores": [1, 10, 5]}', 3, 1, 10) == [1, 10, 5]
    assert read_scores('```\n{"scores": [7]}\n```', 1, 1, 10) == [7]


labellings = st.lists(st.integers(0, 4), min_size=1, max_size=12)
# No braces, so that nothing in it is a second answer.
around = st.text().filter(lambda text: "{" not in text)


@given(labellings, st.randoms(use_true_random=False), around, around, st.sampled_from([None, 0, 2]))
def test_every_partition_is_read_in_whatever_order_it_is_written(
    labels: list[int], random: Any, before: str, after: str, indent: int | None
) -> None:
    written = [[n for n, label in enumerate(labels, 1) if label == wanted] for wanted in set(labels)]
    for group in written:
        random.shuffle(group)
    random.shuffle(written)
    classes = read_groups(before + json.dumps({"groups": written}, indent=indent) + after, len(labels))
    # The same pairs are together, and classes are counted from 0 as they appear.
    assert [[a == b for b in classes] for a in classes] == [[a == b for b in labels] for a in labels]
    seen: list[int] = []
    for label in classes:
        if label not in seen:
            assert label == len(seen)
            seen.append(label)


values = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 5) | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=8,
)
nearly = st.lists(st.lists(st.integers(0, 5) | st.just(1.0) | st.booleans(), max_size=4), max_size=5)


def is_partition(value: Any, count: int) -> bool:
    """Written apart from the code under test, on the JSON text."""
    if not isinstance(value, list) or not all(isinstance(group, list) and group for group in value):
        return False
    flat = [json.dumps(number) for group in value for number in group]
    return sorted(flat, key=lambda text: (len(text), text)) == [str(n) for n in range(1, count + 1)]


@given(values | nearly, st.integers(1, 4))
def test_whatever_json_comes_only_partitions_are_taken(value: Any, count: int) -> None:
    try:
        classes = read_groups(groups(value), count)
    except ReplyError:
        assert not is_partition(value, count)
    else:
        assert is_partition(value, count)
        assert len(classes) == count


@given(st.lists(st.integers(-1, 12) | st.booleans() | st.floats(0, 11), max_size=4), st.integers(1, 4))
def test_whatever_list_comes_only_scores_are_taken(value: list[Any], count: int) -> None:
    allowed = {str(n) for n in range(1, 11)}
    valid = len(value) == count and all(json.dumps(number) in allowed for number in value)
    try:
        scores = read_scores(json.dumps({"scores": value}), count, 1, 10)
    except ReplyError:
        assert not valid
    else:
        assert valid
        assert scores == value


@given(labellings)
def test_a_reply_that_breaks_off_is_no_answer(labels: list[int]) -> None:
    written = [[n for n, label in enumerate(labels, 1) if label == wanted] for wanted in set(labels)]
    whole = groups(written)
    for end in range(len(whole)):
        with pytest.raises(ReplyError):
            read_groups(whole[:end], len(labels))


@given(st.text() | st.text('{}[]":,0123456789 \\groupsNa\n'), st.integers(1, 4))
def test_any_text_is_read_or_refused(reply: str, count: int) -> None:
    with contextlib.suppress(ReplyError):
        assert len(read_groups(reply, count)) == count
    with contextlib.suppress(ReplyError):
        assert len(read_scores(reply, count, 1, 10)) == count


@pytest.mark.parametrize(
    "part",
    [
        "{", '{"', '{"":', '{"":[', '{"a":{},', '{"a":[{},', '{"":"{', '{"\\"', '{"groups":',
        '[{"groups":[[1]]},', "{}", '{"a":1,', "{{}", '{"groups": [[1]]}', "{ ", "{\n", "{\n{\t",
    ],
)  # fmt: skip
def test_hostile_replies_are_read_quickly(part: str) -> None:
    reply = (part * LONGEST_REPLY)[:LONGEST_REPLY]
    started = time.thread_time()
    with contextlib.suppress(ReplyError):
        assert read_groups(reply, 1) == [0]
    assert time.thread_time() - started < 1.0
