from hypothesis import given
from hypothesis import strategies as st

from diversity_eval.report.from_logs import keys_of, shown_notes

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 12) | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
NOTES = st.dictionaries(st.sampled_from(["ratings", "partition", "distribution", "verdicts"]), JSON)


@given(NOTES, st.integers(0, 4))
def test_whatever_a_log_says_only_what_fits_is_shown(notes: dict[str, object], count: int) -> None:
    shown = shown_notes(notes, count)
    assert set(shown) <= {"ratings", "partition", "distribution"}
    if "ratings" in shown:
        assert len(shown["ratings"]) == count
        assert all(
            rating is None or (isinstance(rating, float) and abs(rating) < 1e308)
            for rating in shown["ratings"]
        )
    if "partition" in shown:
        assert len(shown["partition"]) == count
        assert all(type(entry) is int for entry in shown["partition"])


def test_what_fits() -> None:
    assert shown_notes({"ratings": [5, None, True], "partition": [0, 1, -1],
    "distribution": [{"kind": "right"}]}, 3) == {
        "ratings": (5.0, None, None), "partition": (0, 1, -1), "distribution": ({"kind": "right"},),
    }  # fmt: skip
    assert shown_notes({"ratings": [5], "partition": [0.0, 1.0, 2.0], "distribution": ["right"]}, 3) == {}


def test_prompts_are_called_by_their_ids_only_if_each_has_its_own() -> None:
    assert keys_of(["a", "b"], [0, 1]) == ["a", "b"]
    assert keys_of(["a", "a"], [4, 7]) == ["4", "7"]
    assert keys_of(["a", None], [0, 1]) == ["0", "1"]
    assert keys_of([1, 2.5], [0, 1]) == ["1", "2.5"]
    assert keys_of([], []) == []
