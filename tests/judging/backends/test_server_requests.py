"""The Retry-After header; what `send` makes of real servers is in test_server.py."""

from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime

import pytest

from diversity_eval.judging.backends.server_requests import LONGEST_RETRY_AFTER, retry_after


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("0", 0),
        ("7", 7),
        (" 1.5 ", 1.5),
        ("-3", 0),
        ("86400", LONGEST_RETRY_AFTER),
        ("nan", None),
        ("inf", None),
        ("soon", None),
        ("", None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
        ("Wed, 21 Oct 2115 07:28:00 GMT", LONGEST_RETRY_AFTER),
        ("Wed, 99 Oct 2115 07:28:00 GMT", None),
    ],
)
def test_retry_after(value: str | None, seconds: float | None) -> None:
    assert retry_after(value) == seconds


@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=5))])
def test_a_date_is_taken_in_its_zone(zone: timezone) -> None:
    then = datetime.now(zone) + timedelta(seconds=30)
    assert retry_after(format_datetime(then)) == pytest.approx(29, abs=3)
