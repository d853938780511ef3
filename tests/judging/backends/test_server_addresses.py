"""Addresses in turn; what is hidden of them is in test_server.py."""

from typing import Any

import pytest

from diversity_eval.errors import DiversityEvalError
from diversity_eval.judging.backends.server_addresses import Addresses
from diversity_eval.judging.config import JudgeConfig


def addresses(*urls: str) -> Addresses:
    return Addresses(JudgeConfig("tested", "server", "m", {}, base_url=urls, api_key_env="JUDGE_TEST_KEY"))


def test_in_turn_and_out_of_reach_ones_are_left_out_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("diversity_eval.judging.backends.server_addresses.time.monotonic", lambda: now)
    three = addresses("http://a/v1", "http://b/v1", "http://c/v1")
    assert [three.turn(n) for n in range(4)] == [0, 1, 2, 0]
    three[1].not_reached()
    assert [three.turn(n) for n in range(4)] == [0, 2, 2, 0]
    now += 15
    assert three.turn(1) == 1
    three[1].not_reached()  # again: twice as long
    now += 29
    assert three.turn(1) == 2
    now += 1
    assert three.turn(1) == 1
    for _ in range(50):
        three[1].not_reached()
    now += 600
    assert three.turn(1) == 1
    three[1].reached()
    three[1].not_reached()  # after a success as at first
    now += 15
    assert three.turn(1) == 1


def test_where_none_is_in_reach_they_are_tried_all_the_same() -> None:
    two = addresses("http://a/v1", "http://b/v1")
    two[0].not_reached()
    two[1].not_reached()
    assert [two.turn(n) for n in range(3)] == [0, 1, 0]


@pytest.mark.parametrize(
    "url", ["http:///v1", "http://host:99999/v1", "http://host:x/v1", "http://host/v1?key=s3cret"]
)
def test_addresses_that_are_none(url: str) -> None:
    with pytest.raises(
        DiversityEvalError, match=r"judge tested: base_url .* is no address of an API"
    ) as caught:
        addresses("http://fine/v1", url)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "sent_to", "header"),
    [
        ("http://host:8000/v1", "http://host:8000/v1/", None),
        # base64 of "me:p@ss"
        ("https://me:p%40ss@host/v1", "https://host/v1/", "Basic bWU6cEBzcw=="),
    ],
)
def test_clients(url: str, sent_to: str, header: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JUDGE_TEST_KEY", raising=False)
    client: Any = addresses(url).client(0)
    assert str(client.base_url) == sent_to
    assert client.api_key == "none"
    assert client.default_headers.get("Authorization") == header
    assert client.max_retries == 0
