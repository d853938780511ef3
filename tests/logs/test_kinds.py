import pytest

from diversity_eval.logs.kinds import Judged, judged_as


@pytest.mark.parametrize(
    ("task", "record", "options", "expected"),
    [
        ("short_stories_base_256", {}, {}, Judged("story", "prompt", False)),
        ("small_prompts", {}, {}, Judged("instruction", "instruction", False)),
        ("novelty_bench", {}, {}, Judged("instruction", "prompt", False)),
        ("novelty_bench_base", {}, {}, Judged("instruction", "prompt", False)),
        ("novelty_bench_wildchat", {}, {}, Judged("instruction", "prompt", False)),
        ("novelty_bench_wildchat_base", {}, {}, Judged("instruction", "prompt", False)),
        ("gsm8k", {}, {}, Judged("instruction", None, False)),
        ("mine", {"kind": "story", "prompt_field": "opening"}, {}, Judged("story", "opening", True)),
        ("short_stories", {"kind": "instruction"}, {}, Judged("instruction", None, False)),
        ("short_stories", {"source": "short_stories"}, {}, Judged("story", "prompt", False)),
        ("gsm8k", {}, {"kind": "maths", "prompt_field": "question"}, Judged("maths", "question", True)),
        (
            "mine",
            {"kind": "story", "prompt_field": "a"},
            {"kind": "x", "prompt_field": "b"},
            Judged("x", "b", True),
        ),
    ],
)
def test_the_user_s_word_then_the_record_s_then_the_name_s(
    task: str, record: dict[str, str], options: dict[str, str], expected: Judged
) -> None:
    assert judged_as(task, record, **options) == expected
