"""A judge as equivalence test: through a real server that may misbehave, and with a real small model."""

import itertools
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from diversity_eval.errors import DiversityEvalError
from diversity_eval.judging.backends.server import ServerBackend
from diversity_eval.judging.backends.transformers import TransformersBackend
from diversity_eval.judging.novelty import load_classifier, novelty_metric
from diversity_eval.judging.novelty.config import ClassifierConfig
from diversity_eval.judging.novelty.items import Answer, Comparison, KeepingTest, Pair
from diversity_eval.judging.novelty.judge_test import JudgeTest, judge_fields
from diversity_eval.judging.novelty.judges import pair_judge
from diversity_eval.judging.rubric import load_rubric
from diversity_eval.judging.store import VerdictStore
from diversity_eval.judging.verdict import LEAST_SCALE_MASS
from tests.judging.faulty_judge import running
from tests.judging.injections import INJECTIONS
from tests.judging.novelty.set_judge import PairJudge, idea, shown_in

PROMPT = "Name a fruit and say why."
TEXTS = ["apple, red", "pear, green", "apple, round", "Apple", "plum\nand more", "", "pear", "fig <b>"]


def pairs_of(texts: Sequence[str], prompt: str = PROMPT) -> list[Pair]:
    return [(Answer(prompt, a), Answer(prompt, b)) for a, b in itertools.combinations(texts, 2)]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    begin = ServerBackend.__init__
    monkeypatch.setattr(ServerBackend, "__init__", lambda self, config: begin(self, config, first_wait=0.01))


def classifier(folder: Path, url: str = "http://127.0.0.1:9/v1", **judge_set: Any) -> ClassifierConfig:
    path = folder / "own-judge.yaml"
    settings = {"backend": "server", "model": "m", "base_url": url, "concurrency": 4, "timeout": 0.5}
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return load_classifier("judge", {"judge": str(path), "judge_set": judge_set})


def compared(test: JudgeTest, pairs: Sequence[Pair]) -> list[Comparison]:
    found: dict[int, Comparison] = {}

    def keep(batch: Sequence[tuple[int, Comparison]]) -> None:
        for index, comparison in batch:
            assert index not in found
            found[index] = comparison

    test.compare(pairs, keep)
    return [found[index] for index in range(len(pairs))]


@pytest.mark.parametrize("mode", ["generate", "rate"])
@pytest.mark.parametrize("rate", [0.0, 0.4])
def test_pairs_are_the_same_or_not_as_the_judge_says(mode: str, rate: float, tmp_path: Path) -> None:
    pairs = pairs_of(TEXTS)
    with running(PairJudge(rate=rate)) as judge:
        test = JudgeTest(classifier(tmp_path, judge.url, mode=mode, retries=20), tmp_path / "v.sqlite")
        found = compared(test, pairs)
        test.close()
    assert [c.same for c in found] == [idea(a.response) == idea(b.response) for a, b in pairs]
    assert {c.same for c in found} == {True, False}
    for comparison in found:
        if mode == "generate":
            assert comparison.probability is None
        else:
            # Of the two numbers alone, whose probabilities are 0.85 and 0.05.
            assert comparison.probability == pytest.approx((0.85 if comparison.same else 0.05) / 0.9)
        assert comparison.cut == (False, False)
    # The judge is shown the earlier response first.
    shown = {tuple(shown_in(prompt).values()) for prompt in judge.requests if shown_in(prompt)}
    expected = {(a.response.replace("<", "\u2039"), b.response.replace("<", "\u2039")) for a, b in pairs}
    assert shown == expected


def test_in_rate_mode_an_answer_beside_the_scale_is_unknown(tmp_path: Path) -> None:
    with running(PairJudge(certainty=0.4)) as judge:
        test = JudgeTest(classifier(tmp_path, judge.url, mode="rate"), tmp_path / "v.sqlite")
        (found,) = compared(test, pairs_of(["apple", "pear"]))
        test.close()
    assert found.same is None
    assert found.probability is None
    # After a space, to which the server gives 0.99.
    assert "probability of 0.446, less than 0.5" in found.reason


def test_equal_texts_are_the_same_and_equal_work_is_done_once(tmp_path: Path) -> None:
    pairs = pairs_of(["apple", " apple\n", "pear", "pear "])
    with running(PairJudge()) as judge:
        test = JudgeTest(classifier(tmp_path, judge.url, mode="generate"), tmp_path / "v.sqlite")
        assert [c.same for c in compared(test, pairs)] == [True, False, False, False, False, True]
        assert compared(test, []) == []
        test.close()
    # The check, and one question about apple and pear.
    assert sum(judge.requests.values()) == 2


def test_what_the_judge_does_not_answer_is_unknown_never_different(tmp_path: Path) -> None:
    class Silent(PairJudge):
        def _reply(self, prompt: str, prefilled: bool) -> tuple[str, int | None]:
            said = "Total rating: 2" if "plum" in prompt else "Total rating: 0.5" if "pear" in prompt else ""
            return (said, None) if said else super()._reply(prompt, prefilled)

    pairs = pairs_of(["apple", "apple!", "plum", "pear"])
    with running(Silent(always={"apple!": 400})) as judge:
        test = JudgeTest(classifier(tmp_path, judge.url, mode="generate"), tmp_path / "v.sqlite")
        found = compared(test, pairs)
        test.close()
    assert [c.same for c in found] == [None] * 6
    refused, plum = found[0], found[1]
    assert "refuses it (400)" in refused.reason
    assert "no valid rating" in plum.reason
    with VerdictStore(tmp_path / "v.sqlite") as store:
        # Answers without a rating are final; what was refused is asked for again.
        assert store.counts() == (3, 3)
    with running(PairJudge()) as willing:
        test = JudgeTest(classifier(tmp_path, willing.url, mode="generate"), tmp_path / "v.sqlite")
        again = compared(test, pairs)
        test.close()
    assert [c.same for c in again] == [False, None, None, False, False, None]
    assert sum(bool(shown_in(prompt)) for prompt in willing.requests) == 3


def test_an_interrupted_run_goes_on_from_the_store(tmp_path: Path) -> None:
    pairs = pairs_of([f"{fruit} {n}" for n in range(4) for fruit in ("apple", "pear", "fig")])
    arrived = 0

    def interrupt(batch: Sequence[tuple[int, Comparison]]) -> None:
        nonlocal arrived
        arrived += len(batch)
        if arrived == 20:
            raise KeyboardInterrupt

    with running(PairJudge()) as judge:
        settings = classifier(tmp_path, judge.url, mode="generate")
        test = JudgeTest(settings, tmp_path / "v.sqlite")
        with pytest.raises(KeyboardInterrupt):
            test.compare(pairs, interrupt)
        test.close()
        with VerdictStore(tmp_path / "v.sqlite") as store:
            kept, _ = store.counts()
        assert 20 <= kept < len(pairs)
        judge.requests.clear()
        test = JudgeTest(settings, tmp_path / "v.sqlite")
        early = test.kept(pairs, "interrupted")
        assert sum(c.same is not None for c in early) == kept
        assert {c.reason for c in early if c.same is None} == {"interrupted"}
        assert not judge.requests
        found = compared(test, pairs)
        test.close()
    assert [c.same for c in found] == [idea(a.response) == idea(b.response) for a, b in pairs]
    assert all(c in (e, f) for c, e, f in zip(found, early, found, strict=True))
    assert sum(judge.requests.values()) == 1 + len(pairs) - kept
    # With everything in the store no server is needed.
    test = JudgeTest(classifier(tmp_path, mode="generate"), tmp_path / "v.sqlite")
    assert compared(test, pairs) == test.kept(pairs, "") == found
    test.close()


def test_the_metric_with_this_test_resumes_without_its_judge(tmp_path: Path) -> None:
    texts = ["apple 1", "pear 1", "apple 2", "", " ", "pear 1"]
    answers = [[Answer(PROMPT, text) for text in texts]]
    files = {"store": tmp_path / "n.sqlite", "verdicts": tmp_path / "v.sqlite"}
    with running(PairJudge()) as judge:
        metric = novelty_metric(classifier(tmp_path, judge.url), None, **files, progress=False)
        metric.open()
        assert sum(judge.requests.values()) == 1
        (first,) = metric.judge(answers)
        assert metric.suffix == "_judge"
        record = metric.record()["classifier"]["running"]["judge"]
        fields = metric.partition_fields()
        metric.close()
    assert first.partition == (0, 1, 0, 2, 2, 1)
    # Two against the rest: apple 1 against pear 1, apple 2 and empty; pear 1 against empty.
    assert record["verdicts_asked"] == 4
    assert fields["metric_version"] == "1.0"
    assert (fields["test"], fields["scale"], fields["judge_mode"]) == ("judge", "0-1", "rate")
    away = novelty_metric(classifier(tmp_path), None, **files, progress=False)
    assert away.kept(answers, "gone") == away.judge(answers) == [first]
    more = [[Answer(PROMPT, text) for text in [*texts, "fig"]]]
    (partly,) = away.kept(more, "the judge is gone")
    assert partly.reasons == ("the judge is gone",)
    assert partly.partition[-1] == -1
    with pytest.raises(DiversityEvalError, match="out of reach"):
        away.judge(more)
    with pytest.raises(DiversityEvalError, match="out of reach"):
        away.open()
    away.close()


def test_it_is_a_test_that_keeps_its_answers(tmp_path: Path) -> None:
    test = JudgeTest(classifier(tmp_path), tmp_path / "v.sqlite")
    assert isinstance(test, KeepingTest)
    test.close()


def test_no_response_makes_a_block_of_its_own_or_leaves_its_block() -> None:
    rubric = load_rubric("equivalence")
    plain = rubric.render(PROMPT, "HERE", lowest=0, highest=1, other="THERE")
    assert shown_in(plain) == {1: "HERE", 2: "THERE"}
    for injection in INJECTIONS:
        for first, later in ((injection.text, "pear"), ("apple", injection.text)):
            text = rubric.render(PROMPT, first, lowest=0, highest=1, other=later)
            assert text.count("<response-") == text.count("</response-") == 2
            assert list(shown_in(text)) == [1, 2]
            assert text.count("<") == plain.count("<") + sum(
                value.count("<") for value in shown_in(text).values()
            )


# A real model


def real_judge(folder: Path, checkpoint: Path, mode: str, **settings: Any) -> ClassifierConfig:
    path = folder / "real.yaml"
    values = {"backend": "transformers", "model": str(checkpoint), "dtype": "float32", **settings}
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    return load_classifier("judge", {"judge": str(path), "judge_set": {"mode": mode, "device": "cpu"}})


def shown_to_the_judge(tokenizer: Any, pair: Pair) -> str:
    """The text up to the reply, by transformers' own rendering."""
    question = load_rubric("equivalence").render(
        PROMPT, pair[0].response, lowest=0, highest=1, other=pair[1].response
    )
    return str(
        tokenizer.apply_chat_template(
            [{"role": "user", "content": question}], tokenize=False, add_generation_prompt=True
        )
    )


REAL_PAIRS = pairs_of([f"{word} number {n}" for n in range(5) for word in ("map", "boat", "village")])


def deciding(judge: Path, folder: Path, mode: str) -> Path:
    """The judge, made to be of two minds about `REAL_PAIRS`: half of them get 1.

    For `generate` mode it has two more tokens, each a whole reply; a number at the very end of a reply that
    is cut might go on, so there is a full stop. What it sees of a pair differs little from what it sees of
    another, after a long rubric: the rows of the head look along the direction in which it differs most.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(judge)
    model = AutoModelForCausalLM.from_pretrained(judge, dtype=torch.float32).eval()
    begin, answers = "Total rating: ", ["0", "1"]
    if mode == "generate":
        begin, answers = "", ["Total rating: 0.", "Total rating: 1."]
        tokenizer.add_tokens(answers)
        model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    seen = []
    for pair in REAL_PAIRS:
        text = shown_to_the_judge(tokenizer, pair) + begin
        ids = tokenizer(text, add_special_tokens=False, return_tensors="pt").input_ids
        with torch.inference_mode():
            seen.append(model.model(ids).last_hidden_state[0, -1].double())
    states = torch.stack(seen)
    middle = states.median(0).values
    direction = torch.linalg.svd(states - middle).Vh[0]
    direction = direction - (direction @ middle) / (middle @ middle) * middle
    direction = direction / (states @ direction).abs().max()
    with torch.no_grad():
        for row, sign in zip(tokenizer.convert_tokens_to_ids(answers), (-1, 1), strict=True):
            model.lm_head.weight[row] = (sign * direction).float()
            model.lm_head.weight[row, 0] += 60.0  # above all other rows
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def test_a_real_model_that_rates_against_a_plain_forward_pass(judge_checkpoint: Path, tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    checkpoint = deciding(judge_checkpoint, tmp_path / "checkpoint", "rate")
    config = real_judge(tmp_path, checkpoint, "rate")
    test = JudgeTest(config, tmp_path / "v.sqlite")
    found = compared(test, REAL_PAIRS)
    assert test.record()["judge"]["running"]["ratings"] == len(REAL_PAIRS)
    test.close()
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    model = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32).eval()
    zero, one = (tokenizer.convert_tokens_to_ids(digit) for digit in "01")
    for pair, comparison in zip(REAL_PAIRS, found, strict=True):
        text = f"{shown_to_the_judge(tokenizer, pair)}Total rating: 0"
        ids = tokenizer(text, add_special_tokens=False).input_ids
        with torch.inference_mode():
            p = model(input_ids=torch.tensor([ids[:-1]])).logits[0, -1].double().softmax(-1)
        p0, p1 = float(p[zero]), float(p[one])
        assert abs(p0 + p1 - LEAST_SCALE_MASS) > 1e-3
        if p0 + p1 < LEAST_SCALE_MASS:
            assert comparison.same is None
        else:
            assert comparison.probability == pytest.approx(p1 / (p0 + p1), abs=1e-4)
            assert comparison.same is (p1 > p0)
    assert {c.same for c in found} == {True, False}
    # Stored; the model is not needed again.
    again = JudgeTest(config, tmp_path / "v.sqlite")
    assert again.kept(REAL_PAIRS, "") == found
    again.close()


def test_a_real_model_that_writes_against_generate(judge_checkpoint: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    checkpoint = deciding(judge_checkpoint, tmp_path / "checkpoint", "generate")
    test = JudgeTest(real_judge(tmp_path, checkpoint, "generate", max_tokens=1), tmp_path / "v.sqlite")
    found = compared(test, REAL_PAIRS)
    test.close()
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    model = AutoModelForCausalLM.from_pretrained(checkpoint).eval()
    for pair, comparison in zip(REAL_PAIRS, found, strict=True):
        ids = tokenizer(
            shown_to_the_judge(tokenizer, pair), add_special_tokens=False, return_tensors="pt"
        ).input_ids
        written = model.generate(ids, max_new_tokens=1, do_sample=False)[0, ids.shape[1] :]
        assert tokenizer.decode(written) == f"Total rating: {int(bool(comparison.same))}."
        assert comparison.same is not None
        assert comparison.probability is None
    assert {c.same for c in found} == {True, False}


# Configuration


def test_fields_say_which_judge_and_question_without_loading_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ServerBackend, "__init__", None)
    monkeypatch.setattr(TransformersBackend, "__init__", None)
    fields = judge_fields(classifier(tmp_path, mode="generate", revision="r1", quantization="awq"))
    assert fields == {
        "test": "judge",
        "judge": "m",
        "judge_revision": "r1",
        "judge_quantization": "awq",
        "judge_mode": "generate",
        "judge_max_tokens": "32",
        "rubric": load_rubric("equivalence").label,
        "scale": "0-1",
    }


def test_a_rubric_of_one_s_own_wins(tmp_path: Path) -> None:
    own = tmp_path / "mine.jinja"
    own.write_text("{{ response }} / {{ other }}? Total rating: N", encoding="utf-8")
    one = pair_judge(classifier(tmp_path, rubric="mine.jinja"))
    each = pair_judge(classifier(tmp_path, rubric={"equivalence": str(own), "story": "story"}))
    assert one.rubric("equivalence") == each.rubric("equivalence") == load_rubric(str(own))
    assert set(one.rubrics) == set(each.rubrics) == {"equivalence"}


@pytest.mark.parametrize(
    ("judge_set", "said"),
    [
        ({"rubric": "story"}, r"rubric story uses `response` alone.*equivalence.*`other`"),
        ({"rubric": "novelty_groups"}, r"uses `responses`"),
        ({"rubric": "no-such"}, "neither one of"),
        ({"scale": [0, 5]}, r"`judge_set` cannot change `scale`, which is \[0, 1\]"),
        ({"mod": "rate"}, "unknown key 'mod'; did you mean mode"),
        ({"api_key": "sk-1"}, "environment variable"),
    ],
)
def test_a_setting_that_does_not_fit_is_refused(judge_set: dict[str, Any], said: str, tmp_path: Path) -> None:
    config = classifier(tmp_path, **judge_set)
    for use in (judge_fields, lambda config: JudgeTest(config, tmp_path / "v.sqlite")):
        with pytest.raises(DiversityEvalError, match=said) as error:
            use(config)
        assert "sk-1" not in str(error.value)
    assert not (tmp_path / "v.sqlite").exists()


def test_a_missing_judge_is_named(tmp_path: Path) -> None:
    with pytest.raises(DiversityEvalError, match="judge 'no-such' is neither one of"):
        JudgeTest(load_classifier("judge", {"judge": "no-such"}), tmp_path / "v.sqlite")


def test_secrets_stay_out_of_records(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    secret = "sk-very-secret"
    with caplog.at_level(logging.DEBUG), running(PairJudge(key="right", echo=True)) as judge:
        config = classifier(
            tmp_path, judge.url, mode="generate", request={"extra": secret}, api_key_env="OWN_KEY"
        )
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("OWN_KEY", "right")
            test = JudgeTest(config, tmp_path / "v.sqlite")
            compared(test, pairs_of(TEXTS))
            shown = f"{test.record()} {test.signature_fields()}"
            test.close()
    assert secret not in shown
    assert secret not in caplog.text
