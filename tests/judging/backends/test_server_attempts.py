"""What judges and reward models share in asking a server; their own tests show it at work."""

from typing import Any

import pytest

from diversity_eval.errors import DiversityEvalError
from diversity_eval.judging.backends.server_attempts import KEY_ADVICE, Attempts, Clients
from diversity_eval.judging.backends.server_replies import AttemptError
from diversity_eval.judging.backends.server_requests import RefusedError
from diversity_eval.judging.config import JudgeConfig
from tests.judging.faulty_judge import FaultyJudge, running


def attempts(*urls: str, **settings: Any) -> Attempts:
    config = JudgeConfig("tested", "server", "m", {}, base_url=urls, timeout=5, **settings)
    return Attempts(config, asking_for="test", first_wait=0.001)


def everything(made: Attempts, items: list[str], *, advice: dict[int, str] | None = None) -> dict[int, str]:
    """By place: the answer's length in bytes as text, or the failure."""
    results: dict[int, str] = {}

    async def ask(clients: Clients, item: str, number: int) -> str:
        fields = {"model": "m", "messages": [{"role": "user", "content": item}]}
        return await made.ask(
            clients, fields, lambda body: str(len(body)), number, advice=advice or {}, path="/any/path"
        )

    def keep(index: int, result: str) -> None:
        assert index not in results
        results[index] = result

    made.all(items, ask, lambda reason, said: f"{reason}: {said}", keep, each="items")
    return results


def test_a_path_of_its_own_and_what_fails() -> None:
    with running(FaultyJudge(paths=("/v1/any/path",), always={"bad": 400, "broken": 500})) as judge:
        made = attempts(judge.url, retries=3, concurrency=2)
        results = everything(made, ["good", "bad", "broken"])
    assert results[0].isdecimal()
    assert results[1].startswith("the server refuses it (400): out of order")
    assert results[2].startswith("the server answers 500, at the last of 3 attempts")
    assert made.requests == 1 + 1 + 3


def test_advice_ends_the_run() -> None:
    with running(FaultyJudge(paths=("/elsewhere",))) as judge:
        made = attempts(judge.url, concurrency=1)
        with pytest.raises(DiversityEvalError) as caught:
            everything(made, ["good"], advice={404: "look into {key}"})
        assert everything(made, ["good"]) == {0: "the server refuses it (404): Not Found"}
    assert str(caught.value) == (
        f"judge tested: the server at {judge.url} answers 404 to a test request (Not Found); look into "
        "OPENAI_API_KEY"
    )


def test_an_answer_that_cannot_be_read_is_asked_for_again() -> None:
    bodies: list[bytes] = []

    def second(body: bytes) -> int:
        bodies.append(body)
        if len(bodies) == 1:
            raise AttemptError("unreadable")
        return len(bodies)

    async def work(clients: Clients) -> None:
        fields = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
        assert await made.ask(clients, fields, second, 0, advice=KEY_ADVICE) == 2

    with running(FaultyJudge()) as judge:
        made = attempts(judge.url)
        made.once(work)
    assert made.requests == 2


def test_messages_about_the_whole_server() -> None:
    made = attempts("http://me:secret@a/v1", "http://b/v1", retries=4)
    where = "judge tested: the server at http://a/v1, http://b/v1"
    assert made.where == where
    gone = AttemptError("no connection", "refused\nme", unreachable=True)
    out = f"{where} is out of reach (no connection: refused me); start it, or correct `base_url`"
    assert str(made.no_answer(gone)) == out
    assert str(made.no_answer(AttemptError("bad"))) == f"{where} gave no usable answer in 4 attempts (bad)"
    refused = made.refused(RefusedError(401, "said secret \x1b[31m"), made.addresses[0], KEY_ADVICE[401])
    assert "(said (hidden) [31m); put the right key into the environment variable OPENAI_API_KEY" in str(
        refused
    )
    assert len(made.one_line("long " * 1000)) <= 300
