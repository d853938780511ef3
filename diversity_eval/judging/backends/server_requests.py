"""One request to an OpenAI-compatible server: the whole body of its answer, or what is wrong."""

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from diversity_eval.judging.backends.server_replies import AttemptError

if TYPE_CHECKING:
    from openai import AsyncOpenAI

__all__ = ["LONGEST_RETRY_AFTER", "RefusedError", "retry_after", "send"]

LONGEST_RETRY_AFTER = 120.0
"""Seconds; a server that asks for more is asked again after this."""

_LARGEST_BODY = 16 << 20
_WORTH_ANOTHER_ATTEMPT = frozenset({408, 409, 425, 429})


class RefusedError(Exception):
    """The server does not take this request, and would not the next time.

    Attributes:
        status: of the response; 0 if the request cannot be sent at all.
        said: the server's own words.
    """

    def __init__(self, status: int, said: str) -> None:
        super().__init__(f"refused ({status})")
        self.status = status
        self.said = said


async def send(client: "AsyncOpenAI", fields: Mapping[str, Any], timeout: float, path: str = "") -> bytes:
    """The body of the answer to a request.

    It goes to `path` under the client's address; without one to the chat API where there are `messages` among
    the fields, else to completions. `timeout` seconds are for all of it: the client's own begin anew with
    every byte that arrives.

    Raises:
        AttemptError: another attempt may do better.
        RefusedError: it will not.
    """
    import openai

    try:
        async with asyncio.timeout(timeout):
            return await _body(client, fields, path)
    except AttemptError:
        raise
    except (TimeoutError, openai.APITimeoutError):
        raise AttemptError(f"no complete answer within {timeout:g} seconds", unreachable=True) from None
    except openai.APIStatusError as error:
        raise _from_status(error) from None
    except openai.APIConnectionError as error:
        cause = error.__cause__ or error
        unreachable = type(cause).__name__ == "ConnectError"
        raise AttemptError(
            "no connection" if unreachable else "the connection broke off",
            _named(cause),
            unreachable=unreachable,
        ) from None
    except UnicodeEncodeError:
        raise RefusedError(0, "the prompt holds characters that no request can carry") from None
    except Exception as error:
        # While a body is read the HTTP library's own errors come through, and which library that is depends
        # on the version of `openai`. None of them may end a run of many thousand requests.
        raise AttemptError("the answer broke off", _named(error)) from None


async def _body(client: "AsyncOpenAI", fields: Mapping[str, Any], path: str) -> bytes:
    rest = {name: value for name, value in fields.items() if name not in ("model", "messages", "prompt")}
    request: Any
    if path:
        request = _streamed(client, fields, path)
    elif "messages" in fields:
        request = client.chat.completions.with_streaming_response.create(
            model=fields["model"], messages=fields["messages"], extra_body=rest
        )
    else:
        request = client.completions.with_streaming_response.create(
            model=fields["model"], prompt=fields["prompt"], extra_body=rest
        )
    async with request as response:
        parts = []
        size = 0
        async for part in response.iter_bytes():
            parts.append(part)
            size += len(part)
            if size > _LARGEST_BODY:
                raise AttemptError(f"the answer is longer than {_LARGEST_BODY >> 20} MiB")
        return b"".join(parts)


@contextlib.asynccontextmanager
async def _streamed(client: "AsyncOpenAI", fields: Mapping[str, Any], path: str) -> AsyncIterator[Any]:
    """A response from a path that the client has no method for, before its body is read."""
    # The header is what `with_streaming_response` sets: without it the client reads all of a body, however
    # long, before anybody can look at it.
    response: Any = await client.post(
        path, cast_to=object, body=dict(fields), options={"headers": {"X-Stainless-Raw-Response": "stream"}}
    )
    try:
        yield response
    finally:
        await response.close()


def _from_status(error: Any) -> AttemptError | RefusedError:
    status = int(error.status_code)
    said = _message(error.body) or str(error.response.text)
    if status in _WORTH_ANOTHER_ATTEMPT or status >= 500:
        return AttemptError(
            f"the server answers {status}", said, wait=retry_after(error.response.headers.get("retry-after"))
        )
    return RefusedError(status, said)


def _message(body: Any) -> str:
    """OpenAI's client hands on the inside of `error`; other servers have the message elsewhere."""
    if isinstance(body, Mapping):
        for name in ("message", "detail", "error"):
            if isinstance(body.get(name), str):
                return str(body[name])
    return ""


def _named(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


def retry_after(value: str | None) -> float | None:
    """Seconds to wait by a Retry-After header, a number or a date, from 0 to LONGEST_RETRY_AFTER.

    None if there is no header or it cannot be read.
    """
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            until = parsedate_to_datetime(value)
        except ValueError:
            return None
        seconds = (until.replace(tzinfo=until.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER) if math.isfinite(seconds) else None
