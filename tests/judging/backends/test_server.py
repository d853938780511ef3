"""The server backend against a judge over real HTTP whose true ratings are known."""

import asyncio
import itertools
import logging
import math
import re
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from diversity_eval.errors import DiversityEvalError
from diversity_eval.judging.backends import server_requests
from diversity_eval.judging.backends.server import ServerBackend
from diversity_eval.judging.config import JudgeConfig
from diversity_eval.judging.config_values import Api, Mode
from diversity_eval.judging.rater import Rater, Rating
from diversity_eval.judging.rubric import Rubric, load_rubric
from diversity_eval.judging.store import VerdictStore
from diversity_eval.judging.verdict import Verdict
from tests.judging.faulty_judge import (
    CHECK,
    HTTP_FAULTS,
    LOGPROB_FAULTS,
    SLOW,
    FaultyJudge,
    running,
    true_distribution,
    true_rating,
)
from tests.judging.injections import INJECTIONS

PROMPTS = [f"How good is haiku number {n}?" for n in range(12)]
DEAD = "http://127.0.0.1:9/v1"
KEY = "sk-very-secret-4711"
RUBRIC = Rubric("plain", "Grade this.\n<response>\n{{ response }}\n</response>")


def config(*urls: str, **settings: Any) -> JudgeConfig:
    defaults: dict[str, Any] = {"timeout": 20.0, "concurrency": 4, "api_key_env": "JUDGE_TEST_KEY"}
    return JudgeConfig(
        "tested", "server", "some/model", {"*": RUBRIC}, base_url=urls, **(defaults | settings)
    )


def judge_all(backend: ServerBackend, prompts: Sequence[str]) -> list[Verdict]:
    """The verdicts in order; each has to come once."""
    verdicts: dict[int, Verdict] = {}

    def keep(index: int, verdict: Verdict) -> None:
        assert index not in verdicts
        verdicts[index] = verdict

    backend.judge(prompts, keep)
    return [verdicts[index] for index in range(len(prompts))]


def ask(judge: FaultyJudge, prompts: Sequence[str] = PROMPTS, **settings: Any) -> list[Verdict]:
    return judge_all(ServerBackend(config(judge.url, **settings), first_wait=0.001), prompts)


def asked(judge: FaultyJudge) -> list[dict[str, Any]]:
    """The requests after those of the check."""
    return [body for body in judge.bodies if CHECK not in str(body)]


@pytest.mark.parametrize("api", ["chat", "completions"])
@pytest.mark.parametrize("mode", ["rate", "generate"])
def test_every_rating_is_the_judge_s(mode: Mode, api: Api) -> None:
    with running(FaultyJudge()) as judge:
        verdicts = ask(judge, mode=mode, api=api)
    assert [verdict.rating for verdict in verdicts] == [true_rating(prompt) for prompt in PROMPTS]
    assert len({true_rating(prompt) for prompt in PROMPTS}) > 3
    assert set(judge.requests.values()) == {1}
    for prompt, verdict in zip(PROMPTS, verdicts, strict=True):
        if mode == "generate":
            assert verdict == Verdict(true_rating(prompt), f"Total rating: {true_rating(prompt)}")
            continue
        # The judge gives 0.9 to the scale and a space 0.99 before it.
        shares = [share / 0.9 for share in true_distribution(prompt)]
        assert verdict.probabilities == pytest.approx(shares)
        assert verdict.expected_rating == pytest.approx(sum(n * share for n, share in enumerate(shares)))
        assert verdict.entropy == pytest.approx(-sum(share * math.log(share) for share in shares))
        assert verdict.scale_mass == pytest.approx(0.9 * 0.99)


def test_what_is_sent() -> None:
    with running(FaultyJudge()) as judge:
        for mode in ("rate", "generate"):
            for api in ("chat", "completions"):
                ask(judge, PROMPTS[:1], mode=mode, api=api, request={"top_p": 1, "temperature": None})
    rate_chat, rate_text, generate_chat, generate_text = asked(judge)
    shared = {"model": "some/model", "top_p": 1}
    user = {"role": "user", "content": PROMPTS[0]}
    start = {"role": "assistant", "content": "Total rating:"}
    likeliest = {"logprobs": True, "top_logprobs": 20}
    open_reply = {"continue_final_message": True, "add_generation_prompt": False, "max_tokens": 4}
    assert rate_chat == {**shared, "messages": [user, start], **likeliest, **open_reply}
    text = f"{PROMPTS[0]}\n"
    assert rate_text == {**shared, "prompt": f"{text}Total rating:", "logprobs": 20, "max_tokens": 4}
    assert generate_chat == {**shared, "messages": [user], "max_tokens": 32}
    assert generate_text == {**shared, "prompt": text, "max_tokens": 32}


def test_decoding_is_greedy_unless_told_otherwise() -> None:
    with running(FaultyJudge()) as judge:
        ask(judge)
    assert {body["temperature"] for body in judge.bodies} == {0}


def test_verdicts_come_one_by_one_in_the_calling_thread() -> None:
    """Slow on purpose: the first has to be there before the last was asked for."""
    threads = set()
    seen = []
    with running(FaultyJudge(slow=0.02)) as judge:
        backend = ServerBackend(config(judge.url, concurrency=2))

        def keep(index: int, verdict: Verdict) -> None:
            threads.add(threading.get_ident())
            with judge.lock:
                seen.append(sum(judge.requests.values()) - 1)

        backend.judge(PROMPTS, keep)
    assert threads == {threading.get_ident()}
    assert len(seen) == len(PROMPTS)
    # When the n-th verdict is handed over, at most n + concurrency requests were made.
    assert all(requests <= n + 1 + 2 for n, requests in enumerate(seen))


def test_it_works_where_an_event_loop_runs_already() -> None:
    async def cell() -> list[Verdict]:
        return ask(judge)

    with running(FaultyJudge()) as judge:
        verdicts = asyncio.run(cell())
    assert [verdict.rating for verdict in verdicts] == [true_rating(prompt) for prompt in PROMPTS]


@pytest.mark.parametrize("concurrency", [1, 3])
def test_so_many_requests_at_once_and_no_more(concurrency: int) -> None:
    with running(FaultyJudge(slow=0.03)) as one, running(FaultyJudge(slow=0.03)) as two:
        judge_all(ServerBackend(config(one.url, two.url, concurrency=concurrency)), PROMPTS)
    assert one.most_at_once <= concurrency
    assert one.most_at_once + two.most_at_once >= concurrency


def test_no_prompts_no_requests() -> None:
    with running(FaultyJudge()) as judge:
        assert ask(judge, []) == []
    assert not asked(judge)


@pytest.mark.parametrize("gap", [(), ("\n", " "), (" ", "*", "*")])
@pytest.mark.parametrize("api", ["chat", "completions"])
def test_what_may_stand_between_colon_and_digit(gap: tuple[str, ...], api: Api) -> None:
    with running(FaultyJudge(gap=gap)) as judge:
        verdicts = ask(judge, api=api)
    for prompt, verdict in zip(PROMPTS, verdicts, strict=True):
        assert verdict.rating == true_rating(prompt)
        assert verdict.scale_mass == pytest.approx(0.9 * 0.99 ** len(gap))


def test_less_than_half_of_the_probability_on_the_scale_is_unscored() -> None:
    with running(FaultyJudge(scale_mass=0.5)) as judge:
        verdicts = ask(judge)
    for verdict in verdicts:
        assert verdict.rating is None
        assert not verdict.failed
        assert verdict.scale_mass == pytest.approx(0.45 * 0.99)
        assert verdict.reply.startswith("Total rating: ")


@pytest.mark.parametrize(
    "judge", [FaultyJudge(refuses=("continue_final_message",)), FaultyJudge(ignores_prefill=True)]
)
def test_a_server_that_cannot_complete_a_reply_writes_it_itself(judge: FaultyJudge) -> None:
    with running(judge):
        backend = ServerBackend(config(judge.url), first_wait=0.001)
        verdicts = judge_all(backend, PROMPTS)
    assert len(asked(judge)) == len(PROMPTS)
    for body in asked(judge):
        assert [message["role"] for message in body["messages"]] == ["user"]
        assert "continue_final_message" not in body
        assert body["max_tokens"] == 32
    for prompt, verdict in zip(PROMPTS, verdicts, strict=True):
        assert verdict.rating == true_rating(prompt)
        assert verdict.reply == f"Total rating: {true_rating(prompt)}"
        assert verdict.probabilities == pytest.approx([share / 0.9 for share in true_distribution(prompt)])
    assert backend.record()["reply_start"] == "written by the judge"


def test_a_text_that_its_own_tokens_do_not_bear_out_is_unscored() -> None:
    judge = FaultyJudge(refuses=("continue_final_message",), always={"haiku": "other text"})
    with running(judge):
        (verdict,) = ask(judge, PROMPTS[:1])
    assert (verdict.rating, verdict.failed) == (None, False)
    assert verdict.reason == "no token of the reply holds the rating"
    assert verdict.reply == "Total rating: 5"


def test_the_record_says_where_the_reply_began_and_counts_tokens() -> None:
    with running(FaultyJudge()) as judge:
        backend = ServerBackend(config(judge.url.replace("//", "//me:pass@")), first_wait=0.001)
        judge_all(backend, PROMPTS)
    record = backend.record()
    assert record["reply_start"] == "given to the judge"
    assert record["addresses"] == [judge.url]
    assert record["served_models"] == ["a-judge"]
    assert (record["ratings"], record["requests"]) == (len(PROMPTS), len(PROMPTS) + 1)
    # All but one prompt token computed, and two tokens written, in each request.
    assert record["tokens_computed"] == record["prompt_tokens"] + len(PROMPTS) + 1


def test_the_other_name_of_the_length_limit() -> None:
    with running(FaultyJudge(refuses=("max_tokens",))) as judge:
        verdicts = ask(judge)
        verdicts += ask(judge, mode="generate")
    assert [verdict.rating for verdict in verdicts] == [true_rating(prompt) for prompt in PROMPTS] * 2
    assert {body.get("max_completion_tokens") for body in asked(judge)} == {4, 32}


@pytest.mark.parametrize("kind", HTTP_FAULTS + LOGPROB_FAULTS)
def test_each_fault_alone_is_got_over(kind: str) -> None:
    api: Api = "completions" if kind in LOGPROB_FAULTS else "chat"
    with running(FaultyJudge(faults=[kind], rate=0.5, retry_after="0")) as judge:
        verdicts = ask(judge, api=api, timeout=0.3 if kind in SLOW else 20, retries=30, concurrency=12)
        if kind in LOGPROB_FAULTS:
            verdicts += ask(judge, retries=30)
    expected = [true_rating(prompt) for prompt in PROMPTS] * (1 + (kind in LOGPROB_FAULTS))
    assert [verdict.rating for verdict in verdicts] == expected
    assert len(asked(judge)) > len(expected)


def test_a_prompt_that_always_fails_is_failed_and_the_others_are_rated(tmp_path: Path) -> None:
    items = [Rating("any", "", text) for text in [*PROMPTS, "poison"]]
    with running(FaultyJudge(always={"poison": 503})) as judge, VerdictStore(tmp_path / "v.sqlite") as store:
        settings = config(judge.url, retries=4, mode="generate")
        rater = Rater(settings, store, open_with=lambda c: ServerBackend(c, first_wait=0.001), progress=False)
        *others, failed = rater.rate(items)
        assert store.counts() == (len(PROMPTS), 1)
    assert all(verdict.rating is not None for verdict in others)
    assert failed.failed
    assert failed.rating is None
    assert "answers 503, at the last of 4 attempts: out of order" in failed.reason
    assert failed.reason.isprintable()
    assert "out of order" in failed.reply
    (poisoned,) = [prompt for prompt in judge.requests if "poison" in prompt]
    assert judge.requests[poisoned] == 4
    assert max(count for prompt, count in judge.requests.items() if prompt != poisoned) == 1


@pytest.mark.parametrize("status", [400, 403, 413, 422])
def test_a_refused_prompt_is_not_asked_again(status: int) -> None:
    prompts = [*PROMPTS, "far too long"]
    with running(FaultyJudge(always={"far too long": status})) as judge:
        *others, failed = ask(judge, prompts)
    assert all(verdict.rating is not None for verdict in others)
    assert failed.failed
    assert failed.reason.startswith(f"the server refuses it ({status}): out of order")
    assert len(failed.reason) <= 300
    assert judge.requests["far too long"] == 1


def test_a_prompt_that_cannot_be_sent() -> None:
    with running(FaultyJudge()) as judge:
        verdicts = ask(judge, [PROMPTS[0], "half a \ud83d pair"])
    assert verdicts[0].rating is not None
    assert verdicts[1].failed
    assert verdicts[1].reason == "not sent: the prompt holds characters that no request can carry"


def test_an_endless_answer_is_cut_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_requests, "_LARGEST_BODY", 1 << 20)
    long = "x" * (2 << 20)
    prompts = [PROMPTS[0], f"<response>\n{long}\n</response>"]
    with running(FaultyJudge(parrot="after")) as judge:
        short, cut = ask(judge, prompts, mode="generate", retries=2, max_tokens=10**9)
    assert short.rating is not None
    assert cut.failed
    assert cut.reason == "the answer is longer than 1 MiB, at the last of 2 attempts"


def test_a_prompt_without_log_probabilities_is_asked_again_and_fails() -> None:
    with running(FaultyJudge(always={"number 3": "no logprobs"})) as judge:
        verdicts = ask(judge, retries=3)
    failed = [prompt for prompt, verdict in zip(PROMPTS, verdicts, strict=True) if verdict.failed]
    assert failed == [PROMPTS[3]]
    assert judge.requests[PROMPTS[3]] == 3


@pytest.mark.parametrize(
    ("judge", "settings", "expected"),
    [
        (FaultyJudge(always={"": "no logprobs"}), {}, "gives no log-probabilities.*use mode: generate"),
        (FaultyJudge(always={"": 401}), {}, "answers 401 .*environment variable JUDGE_TEST_KEY"),
        (FaultyJudge(always={"": 403}), {}, "answers 403 .*environment variable JUDGE_TEST_KEY"),
        (FaultyJudge(always={"": 404}), {}, "answers 404 .*check `model` and `base_url`"),
        (FaultyJudge(always={"": 400}), {}, "answers 400 .*under `request`"),
        (FaultyJudge(always={"": 500}), {"retries": 2}, "no usable answer in 2 attempts .*answers 500"),
        (FaultyJudge(always={"": "html"}), {"retries": 2}, "no usable answer in 2 attempts .*not JSON"),
        (FaultyJudge(always={"": "hang"}), {"timeout": 0.2}, "out of reach .*within 0.2 seconds"),
        (FaultyJudge(always={"": "drip"}), {"timeout": 0.2}, "out of reach .*within 0.2 seconds"),
    ],
)
def test_what_would_go_wrong_with_all_is_found_beforehand(
    judge: FaultyJudge, settings: Mapping[str, Any], expected: str
) -> None:
    with running(judge), pytest.raises(DiversityEvalError, match=expected) as caught:
        ask(judge, **settings)
    assert judge.url in str(caught.value)
    assert str(caught.value).isprintable()
    assert not asked(judge)
    assert len(judge.bodies) <= 3


def test_a_server_that_is_not_there_is_known_at_once() -> None:
    started = time.monotonic()
    with pytest.raises(DiversityEvalError, match=r"127\.0\.0\.1:9/v1 is out of reach \(no connection"):
        ServerBackend(config(DEAD, DEAD), first_wait=0.01)
    assert time.monotonic() - started < 5


def test_a_flaky_server_still_opens() -> None:
    """The check is as patient as the rest where the server shows signs of life."""
    for seed in range(5):
        with running(
            FaultyJudge(rate=0.7, seed=seed, faults=["429", "503", "html"], retry_after="0")
        ) as judge:
            ServerBackend(config(judge.url, retries=40), first_wait=0.0001)


def test_a_key_that_stops_working_ends_the_run_and_what_came_is_kept(tmp_path: Path) -> None:
    items = [Rating("any", "", text) for text in [*PROMPTS, "the last one"]]
    with (
        running(FaultyJudge(always={"the last one": 401})) as judge,
        VerdictStore(tmp_path / "v.sqlite") as store,
    ):
        settings = config(judge.url, concurrency=1)
        rater = Rater(settings, store, open_with=ServerBackend, progress=False)
        with pytest.raises(DiversityEvalError, match="answers 401"):
            rater.rate(items)
        assert store.counts() == (len(PROMPTS), 0)


def test_the_rest_is_not_asked_once_the_server_is_gone() -> None:
    prompts = [f"riddle {n}" for n in range(200)]
    with running(FaultyJudge(always={"riddle": 500})) as judge:
        verdicts = ask(judge, prompts, retries=1)
    assert all(verdict.failed for verdict in verdicts)
    not_asked = [verdict for verdict in verdicts if verdict.reason.startswith("not asked: ")]
    assert len(asked(judge)) + len(not_asked) == len(prompts)
    assert 20 <= len(asked(judge)) < 20 + 4


def test_a_server_that_answers_now_and_then_is_not_gone() -> None:
    prompts = [f"riddle {n}" if n % 10 else f"easy {n}" for n in range(100)]
    with running(FaultyJudge(always={"riddle": 500})) as judge:
        verdicts = ask(judge, prompts, retries=1)
    assert len(asked(judge)) == len(prompts)
    assert sum(verdict.failed for verdict in verdicts) == 90


def test_the_server_s_wish_to_wait_is_kept() -> None:
    with running(FaultyJudge(rate=0.5, seed=1, faults=["429"], retry_after="0.15")) as judge:
        ask(judge, concurrency=12)
    waits = [b - a for times in judge.times.values() for a, b in itertools.pairwise(times)]
    assert len(waits) > 3
    assert min(waits) > 0.145


def test_waits_double_up_to_a_limit_and_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    sleep = asyncio.sleep

    async def note(seconds: float) -> None:
        waits.append(seconds)
        await sleep(0)

    monkeypatch.setattr(asyncio, "sleep", note)
    with running(FaultyJudge(always={"haiku": 500})) as judge:
        judge_all(ServerBackend(config(judge.url, concurrency=1)), PROMPTS[:2])
    assert len(waits) == 2 * 9
    for n, wait in enumerate(waits[:9]):
        most = min(20, 0.5 * 2**n)
        assert most / 2 <= wait <= most
    assert sum(waits[:9]) > 45
    assert waits[:9] != waits[9:]


def test_requests_are_spread_and_a_dead_address_does_not_matter() -> None:
    with running(FaultyJudge()) as one, running(FaultyJudge()) as two:
        backend = ServerBackend(config(one.url, DEAD, two.url), first_wait=0.001)
        verdicts = judge_all(backend, PROMPTS)
    assert [verdict.rating for verdict in verdicts] == [true_rating(prompt) for prompt in PROMPTS]
    assert {len(asked(one)), len(asked(two))} <= {4, 5, 6, 7, 8}
    assert len(asked(one)) + len(asked(two)) == len(PROMPTS)
    # Left alone once it was found dead, instead of being tried with every third prompt.
    assert backend.record()["requests"] <= len(PROMPTS) + 1 + 4


def test_another_attempt_goes_to_the_next_address() -> None:
    with running(FaultyJudge(always={"haiku": 500})) as broken, running(FaultyJudge()) as sound:
        backend = ServerBackend(config(broken.url, sound.url), first_wait=0.001)
        verdicts = judge_all(backend, PROMPTS)
    assert [verdict.rating for verdict in verdicts] == [true_rating(prompt) for prompt in PROMPTS]
    assert len(asked(broken)) == len(PROMPTS) / 2
    assert len(asked(sound)) == len(PROMPTS)


def test_the_key_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    with running(FaultyJudge(key=KEY)) as judge:
        with pytest.raises(DiversityEvalError, match="answers 401"):
            ask(judge)
        monkeypatch.setenv("JUDGE_TEST_KEY", f"{KEY}\n")
        assert all(verdict.rating is not None for verdict in ask(judge))


def test_the_key_gets_out_nowhere(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """Even though this server repeats it in everything it says."""
    monkeypatch.setenv("JUDGE_TEST_KEY", KEY)
    caplog.set_level(logging.DEBUG)
    items = [Rating("any", "", text) for text in [*PROMPTS, "poison", "too long"]]
    echoing = FaultyJudge(echo=True, always={"poison": 500, "too long": 400})
    shown = []
    with running(echoing) as judge, VerdictStore(tmp_path / "v.sqlite") as store:
        settings = config(judge.url, mode="generate", retries=2, max_tokens=99)
        rater = Rater(settings, store, open_with=lambda c: ServerBackend(c, first_wait=0.001), progress=False)
        verdicts = rater.rate(items)
        shown += [str(rater.record()), *map(str, verdicts)]
        stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert sum(verdict.reply.count("(hidden)") for verdict in verdicts) == len(items)
    assert verdicts[-1].reason.count("(hidden)") == 1
    with running(FaultyJudge(echo=True, key="another")) as judge:
        with pytest.raises(DiversityEvalError, match="hidden") as caught:
            ask(judge)
        shown.append(str(caught.value))
    assert b"hidden" in stored
    assert KEY.encode() not in stored
    assert KEY not in "\n".join(shown)
    assert caplog.records
    assert KEY not in caplog.text


def test_a_password_in_the_address_gets_out_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with running(FaultyJudge(echo=True, always={"haiku": 500})) as judge:
        url = judge.url.replace("//", "//me:p%40ss-word@")
        backend = ServerBackend(config(url, mode="generate", retries=1), first_wait=0.001)
        verdicts = judge_all(backend, PROMPTS[:1])
    assert "(Basic (hidden))" in verdicts[0].reply
    shown = f"{verdicts}{backend.record()}{caplog.text}"
    assert not [secret for secret in ("p%40ss-word", "p@ss-word", "bWU6cEBzcy13b3Jk") if secret in shown]


def test_a_key_that_no_header_can_carry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUDGE_TEST_KEY", "sk-1\nsk-2")
    with pytest.raises(DiversityEvalError, match="JUDGE_TEST_KEY holds characters") as caught:
        ServerBackend(config(DEAD))
    assert "sk-" not in str(caught.value)


# A reply that was begun with `Total rating:` and goes on with a quoted digit gives that digit: nothing in it
# tells it from the judge's own. Hence responses that begin with a digit are not among these.
HOSTILE = [injection.text for injection in INJECTIONS if not re.match(r"\W*\d", injection.text)]


@pytest.mark.parametrize("parrot", ["before", "after", "instead"])
@pytest.mark.parametrize(
    ("form", "rubric", "responses"),
    [
        ("written", "instruction", HOSTILE),
        ("written", "story", HOSTILE[::8]),
        ("rated, written", "story", [text for text in HOSTILE if len(text) < 2000][::8]),
        ("rated", "instruction", HOSTILE[::8]),
    ],
    ids=["written-instruction", "written-story", "rated-written", "rated"],
)
def test_a_judge_that_repeats_the_response(
    parrot: str, form: str, rubric: str, responses: Sequence[str], tmp_path: Path
) -> None:
    mode: Mode = "generate" if form == "written" else "rate"
    refuses = ("continue_final_message",) if form == "rated, written" else ()
    items = [Rating("any", "Go on: it rained.", text) for text in responses]
    loaded = load_rubric(rubric)
    with (
        running(FaultyJudge(parrot=parrot, refuses=refuses)) as judge,
        VerdictStore(tmp_path / "v.sqlite") as store,
    ):
        settings = replace(config(judge.url, mode=mode, max_tokens=10**6), rubrics={"*": loaded})
        verdicts = Rater(settings, store, open_with=ServerBackend, progress=False).rate(items)
    prompts = [loaded.render(item.prompt, item.response, lowest=0, highest=5) for item in items]
    assert len({true_rating(prompt) for prompt in prompts}) > 3
    # In one forward pass from `Total rating:` on, a judge that begins with the quotation gives no rating.
    rated = parrot == "after" or (parrot == "before" and form != "rated")
    for prompt, verdict in zip(prompts, verdicts, strict=True):
        assert not verdict.failed
        assert verdict.rating == (true_rating(prompt) if rated else None), verdict.reply[:500]


def test_single_digits_only_in_rate_mode() -> None:
    with pytest.raises(DiversityEvalError, match="goes to 10: use mode: generate, or a scale up to 9"):
        ServerBackend(config(DEAD, scale=(1, 10)))


def test_an_error_of_the_caller_ends_the_requests() -> None:
    with running(FaultyJudge(slow=0.01)) as judge:
        backend = ServerBackend(config(judge.url, concurrency=2))
        calls = []

        def full(index: int, verdict: Verdict) -> None:
            calls.append(index)
            raise DiversityEvalError("the disk is full")

        with ExitStack() as stack:
            stack.enter_context(pytest.raises(DiversityEvalError, match="the disk is full"))
            backend.judge(PROMPTS, full)
        assert len(calls) == 1
        assert len(asked(judge)) <= 4


def test_the_way_of_asking_is_in_the_signature_and_apart_in_the_store(tmp_path: Path) -> None:
    from diversity_eval.judging.rater import Rater, Rating
    from diversity_eval.judging.rubric import load_rubric
    from diversity_eval.judging.store import VerdictStore

    signatures = []
    # The second run has one more to ask, finds out that it is asked in another way, and asks for all of them.
    for refuses, count, wanted in (
        ((), 4, 4),
        (("continue_final_message",), 5, 5),
        (("continue_final_message",), 5, 0),
    ):
        items = [Rating("story", "It rained.", f"Ending {n}.") for n in range(count)]
        with running(FaultyJudge(refuses=refuses)) as server:
            settings = JudgeConfig(
                "tested", "server", "m", {"*": load_rubric("story")}, base_url=(server.url,), mode="rate"
            )
            rater = Rater(settings, VerdictStore(tmp_path / "v.sqlite"), progress=False)
            assert all(verdict.rating is not None for verdict in rater.rate(items))
            signatures.append(rater.signature_fields("story"))
            assert rater.asked == wanted
            rater.close()
    assert signatures[0] != signatures[1] == signatures[2]
    assert signatures[1]["judge_reply_start"] == "written"
