"""Requests to a server's addresses in turn, so many at once, and again where that can help.

What is asked and how an answer is read is the business of those who use it: judges, reward models.
"""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from diversity_eval.errors import DiversityEvalError
from diversity_eval.judging.backends.deliveries import Deliver, run_with_deliveries
from diversity_eval.judging.backends.server_addresses import Address, Addresses, ServerConfig
from diversity_eval.judging.backends.server_replies import AttemptError
from diversity_eval.judging.backends.server_requests import RefusedError, send

if TYPE_CHECKING:
    from openai import AsyncOpenAI

__all__ = ["FIRST_WAIT", "KEY_ADVICE", "LONGEST_WAIT", "AskedConfig", "Attempts", "Clients"]

FIRST_WAIT = 0.5
"""Seconds before the second attempt; twice as many before each one after it."""
LONGEST_WAIT = 20.0
"""Seconds; no wait is longer, unless the server asks for it."""
KEY_ADVICE = {
    401: "put the right key into the environment variable {key}",
    402: "see to the account",
    403: "check the key in the environment variable {key} and what it may be used for",
}
"""By status: what to do where no request is let in; `{key}` is the key's variable."""

_LONGEST_REASON = 300
_CHECK_ATTEMPTS = 3  # at each address that is out of reach, and where log-probabilities are missing
_LEAST_GONE = 20  # so many items in a row without an answer, and the server is taken for gone

_Item = TypeVar("_Item")
_Answer = TypeVar("_Answer")
_Result = TypeVar("_Result")
Clients = Sequence["AsyncOpenAI"]
"""One for each address, in their order."""


class AskedConfig(ServerConfig, Protocol):
    """What a configuration says about asking a server."""

    @property
    def concurrency(self) -> int:
        """Requests under way at once."""

    @property
    def retries(self) -> int:
        """Attempts for one item until it is given up."""


class Attempts:
    """Asks the addresses in turn; another attempt goes to the next one.

    Attributes:
        addresses: of the server.
        requests: how many were made.
    """

    def __init__(self, config: AskedConfig, *, asking_for: str, first_wait: float = FIRST_WAIT) -> None:
        """`asking_for` names a request in messages: `rating`, `reward`.

        Raises DiversityEvalError for an address or a key that no request can be sent with.
        """
        self._config = config
        self._asking_for = asking_for
        self._first_wait = first_wait
        self.addresses = Addresses(config)
        self.requests = 0

    def once(self, work: Callable[[Clients], Coroutine[Any, Any, None]]) -> None:
        """Run a coroutine with clients for the addresses to its end."""

        async def run(deliver: Deliver[None]) -> None:
            async with self._clients() as clients:
                await work(clients)

        run_with_deliveries(run, lambda index, result: None)

    def all(
        self,
        items: Sequence[_Item],
        ask: Callable[[Clients, _Item, int], Awaitable[_Result]],
        failed: Callable[[str, str], _Result],
        on_result: Callable[[int, _Result], None],
        *,
        each: str,
    ) -> None:
        """Ask for every item, `concurrency` at once; results come in the calling thread, in any order.

        An item fails if the server refuses it or gives no usable answer in `retries` attempts. Where many in
        a row had no answer, the server is taken for gone, and the rest fails without being asked.

        Args:
            items: what is asked about.
            ask: gives an item's result, from clients, item and place; through `ask()` of this class.
            failed: the result of a failure, from its reason and the server's own words.
            on_result: takes place and result.
            each: what the items are called in messages, in the plural.
        """
        # Workers over one iterator: tens of thousands of tasks would all be in memory at once.
        pending = iter(enumerate(items))
        unanswered = 0

        async def work(deliver: Deliver[_Result]) -> None:
            async def worker() -> None:
                nonlocal unanswered
                for index, item in pending:
                    if unanswered >= max(_LEAST_GONE, 2 * self._config.concurrency):
                        result = failed(f"not asked: {unanswered} {each} in a row had no answer", "")
                    else:
                        try:
                            result = await ask(clients, item, index)
                            unanswered = 0
                        except AttemptError as trouble:
                            unanswered += 1
                            reason = f"{trouble.reason}, at the last of {self._config.retries} attempts"
                            result = failed(reason, trouble.said)
                        except RefusedError as refusal:
                            reason = (
                                f"the server refuses it ({refusal.status})" if refusal.status else "not sent"
                            )
                            result = failed(reason, refusal.said)
                    await deliver(index, result)

            async with self._clients() as clients:
                try:
                    async with asyncio.TaskGroup() as group:
                        for _ in range(min(self._config.concurrency, len(items))):
                            group.create_task(worker())
                except* DiversityEvalError as errors:
                    raise errors.exceptions[0] from None

        run_with_deliveries(work, on_result)

    async def ask(
        self,
        clients: Clients,
        fields: Mapping[str, Any],
        read: Callable[[bytes], _Answer],
        number: int,
        *,
        advice: Mapping[int, str],
        check: bool = False,
        path: str = "",
    ) -> _Answer:
        """The answer to one request, in up to `retries` attempts.

        Args:
            clients: of the addresses.
            fields: the request's body.
            read: the answer in a response's body; its AttemptError leads to another attempt.
            number: says which address is first, and seeds the waits.
            advice: by status, what to do where no request would be taken.
            check: nothing is known about the server yet: fewer attempts if there is no sign of life.
            path: as for `send`.

        Raises:
            AttemptError: of the last attempt.
            RefusedError: the server does not take this request.
            DiversityEvalError: it would not take any.
        """
        draw = random.Random(number)
        unreachable = no_logprobs = attempt = 0
        while True:
            turn = self.addresses.turn(number + attempt)
            address = self.addresses[turn]
            attempt += 1
            self.requests += 1
            try:
                answer = read(await send(clients[turn], fields, self._config.timeout, path))
            except RefusedError as refusal:
                address.reached()
                # Once others have passed, a 403 may be a firewall's opinion of one item.
                if refusal.status in advice and (check or refusal.status != 403):
                    raise self.refused(refusal, address, advice[refusal.status]) from None
                raise
            except AttemptError as trouble:
                (address.not_reached if trouble.unreachable else address.reached)()
                unreachable += trouble.unreachable
                no_logprobs += trouble.no_logprobs
                hopeless = max(unreachable / len(self.addresses), no_logprobs) >= _CHECK_ATTEMPTS
                if attempt >= self._config.retries or (check and hopeless):
                    raise
                await asyncio.sleep(self._wait(attempt, trouble, draw, check))
            else:
                address.reached()
                return answer

    def no_answer(self, trouble: AttemptError) -> DiversityEvalError:
        """The error of a server that gave no usable answer while it was checked."""
        said = f": {self.one_line(trouble.said)}" if trouble.said else ""
        if trouble.unreachable:
            return DiversityEvalError(
                f"{self.where} is out of reach ({trouble.reason}{said}); start it, or correct `base_url`"
            )
        return DiversityEvalError(
            f"{self.where} gave no usable answer in {self._config.retries} attempts ({trouble.reason}{said})"
        )

    def refused(self, refusal: RefusedError, address: Address, advice: str) -> DiversityEvalError:
        """The error of a server that takes no request; `{key}` in the advice is the key's variable."""
        said = self.one_line(refusal.said) or "no words"
        return DiversityEvalError(
            f"{self._config.label}: the server at {address.shown} answers {refusal.status} to a "
            f"{self._asking_for} request ({said}); {advice.format(key=self._config.api_key_env)}"
        )

    @property
    def where(self) -> str:
        """What a message about the whole server begins with."""
        return f"{self._config.label}: the server at {', '.join(self.addresses.shown)}"

    def one_line(self, text: str) -> str:
        """The text's beginning, printable, in one line, without secrets."""
        text = self.addresses.hide(text)[: 4 * _LONGEST_REASON]
        printable = "".join(c if c.isprintable() else " " for c in text)
        return " ".join(printable.split())[:_LONGEST_REASON]

    @contextlib.asynccontextmanager
    async def _clients(self) -> AsyncIterator[Clients]:
        """A client for each address; they belong to one event loop."""
        async with contextlib.AsyncExitStack() as stack:
            places = range(len(self.addresses))
            yield [await stack.enter_async_context(self.addresses.client(place)) for place in places]

    def _wait(self, attempt: int, trouble: AttemptError, draw: random.Random, check: bool) -> float:
        """Seconds until the next attempt: what the server asks for, and at least the backoff."""
        doublings = 0 if check and trouble.unreachable else min(attempt - 1, 20)
        backoff = min(LONGEST_WAIT, self._first_wait * float(2**doublings)) * draw.uniform(0.5, 1)
        return max(backoff, (trouble.wait or 0.0) + draw.uniform(0, self._first_wait))
