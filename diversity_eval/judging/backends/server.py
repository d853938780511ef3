"""A judge behind an OpenAI-compatible server (`vllm serve`, llama.cpp, a hosted API), or behind several."""

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from diversity_eval.errors import DiversityEvalError
from diversity_eval.judging.backends.deliveries import Deliver, run_with_deliveries
from diversity_eval.judging.backends.server_addresses import Address, Addresses
from diversity_eval.judging.backends.server_fields import RequestForm, first_form
from diversity_eval.judging.backends.server_replies import (
    Answer,
    AttemptError,
    read_answer,
    scale_probabilities,
    where_the_rating_stands,
)
from diversity_eval.judging.backends.server_requests import RefusedError, send
from diversity_eval.judging.config import JudgeConfig
from diversity_eval.judging.verdict import (
    REPLY_START,
    Verdict,
    failed_verdict,
    verdict_from_probabilities,
    verdict_from_reply,
)

if TYPE_CHECKING:
    from openai import AsyncOpenAI

__all__ = ["FIRST_WAIT", "LONGEST_WAIT", "ServerBackend"]

FIRST_WAIT = 0.5
"""Seconds before the second attempt; twice as many before each one after it."""
LONGEST_WAIT = 20.0
"""Seconds; no wait is longer, unless the server asks for it."""

_CHECK_ATTEMPTS = 3  # at each address that is out of reach, and where log-probabilities are missing
_LEAST_GONE = 20  # so many prompts in a row without an answer, and the server is taken for gone
_LONGEST_REASON, _LONGEST_SAID = 300, 2000
_ADVICE = {
    401: "put the right key into the environment variable {key}",
    402: "see to the account",
    403: "check the key in the environment variable {key} and what it may be used for",
    404: "check `model` and `base_url`, which mostly ends in /v1",
    405: "check `base_url`, which mostly ends in /v1",
}
_CHECK_PROMPT = (
    "Grade how well the response answers the question, with a whole number from {lowest} to {highest}.\n\n"
    "Question: How many days does a week have?\nResponse: A week has seven days.\n\n"
    f"Answer with a single line of the form below, N being your number:\n{REPLY_START} N"
)


class ServerBackend:
    """Asks over HTTP, `concurrency` requests at once, and asks again where that can help.

    Requests go to the addresses in turn, and another attempt to the next one.
    """

    def __init__(self, config: JudgeConfig, *, first_wait: float = FIRST_WAIT) -> None:
        """Ask the server for one rating, to see that it can do what it will be asked.

        Raises DiversityEvalError if it cannot be reached, refuses the request, or gives no log-probabilities
        in `rate` mode.
        """
        self._config = config
        self._first_wait = first_wait
        self._form = first_form(config)
        self._addresses = Addresses(config)
        self._count: Counter[str] = Counter()
        self._models: set[str] = set()

        async def check(deliver: Deliver[Verdict]) -> None:
            async with self._clients() as clients:
                await self._find_form(clients)

        run_with_deliveries(check, lambda index, verdict: None)

    def judge(self, prompts: Sequence[str], on_verdict: Callable[[int, Verdict], None]) -> None:
        """Judge every prompt; see `Backend.judge`.

        A prompt fails if the server refuses it or gives no usable answer in `retries` attempts. Where many in
        a row had no answer, the server is taken for gone, and the rest fails without being asked.
        """
        # Workers over one iterator: tens of thousands of tasks would all be in memory at once.
        pending = iter(enumerate(prompts))
        unanswered = 0

        async def work(deliver: Deliver[Verdict]) -> None:
            async def worker() -> None:
                nonlocal unanswered
                for index, prompt in pending:
                    if unanswered >= max(_LEAST_GONE, 2 * self._config.concurrency):
                        verdict = self._failed(f"not asked: {unanswered} prompts in a row had no answer")
                    else:
                        try:
                            verdict = await self._answer(clients, self._form, prompt, index)
                            unanswered = 0
                        except AttemptError as trouble:
                            unanswered += 1
                            reason = f"{trouble.reason}, at the last of {self._config.retries} attempts"
                            verdict = self._failed(reason, trouble.said)
                        except RefusedError as refusal:
                            reason = (
                                f"the server refuses it ({refusal.status})" if refusal.status else "not sent"
                            )
                            verdict = self._failed(reason, refusal.said)
                    await deliver(index, verdict)

            async with self._clients() as clients:
                try:
                    async with asyncio.TaskGroup() as group:
                        for _ in range(min(self._config.concurrency, len(prompts))):
                            group.create_task(worker())
                except* DiversityEvalError as errors:
                    raise errors.exceptions[0] from None

        run_with_deliveries(work, on_verdict)

    def signature_fields(self) -> dict[str, str]:
        """In `rate` mode, whether the judge wrote the reply's beginning itself: another measurement."""
        if self._config.mode != "rate" or self._form.prefilled:
            return {}
        return {"judge_reply_start": "written", "judge_max_tokens": str(self._config.max_tokens)}

    def record(self) -> dict[str, Any]:
        """Addresses, models as the server names them, requests, and tokens by its own count, if it counts."""
        import openai

        count = self._count
        return {
            "addresses": self._addresses.shown,
            "served_models": sorted(self._models),
            "reply_start": "given to the judge" if self._form.prefilled else "written by the judge",
            "ratings": count["ratings"],
            "requests": count["requests"],
            "prompt_tokens": count["prompt"],
            "tokens_computed": count["prompt"] - count["cached"] + count["reply"],
            "packages": {"openai": openai.__version__},
        }

    def close(self) -> None:
        """Connections are held during `judge` only."""

    @contextlib.asynccontextmanager
    async def _clients(self) -> AsyncIterator[list["AsyncOpenAI"]]:
        """A client for each address; they belong to one event loop."""
        async with contextlib.AsyncExitStack() as stack:
            places = range(len(self._addresses))
            yield [await stack.enter_async_context(self._addresses.client(place)) for place in places]

    async def _answer(
        self,
        clients: Sequence["AsyncOpenAI"],
        form: RequestForm,
        prompt: str,
        number: int,
        *,
        check: bool = False,
    ) -> Verdict:
        """The verdict on one prompt, in up to `retries` attempts.

        Args:
            number: says which address is first, and seeds the waits.
            check: nothing is known about the server yet: fewer attempts if there is no sign of life.

        Raises:
            AttemptError: of the last attempt.
            RefusedError: the server does not take this prompt.
            DiversityEvalError: it would not take any.
        """
        draw = random.Random(number)
        fields = form.fields(prompt)
        unreachable = no_logprobs = attempt = 0
        while True:
            turn = self._addresses.turn(number + attempt)
            address = self._addresses[turn]
            attempt += 1
            self._count["requests"] += 1
            try:
                body = await send(clients[turn], fields, self._config.timeout)
                answer = read_answer(body, logprobs=self._config.mode == "rate")
            except RefusedError as refusal:
                address.reached()
                # Once others have passed, a 403 may be a firewall's opinion of one prompt.
                if refusal.status in _ADVICE and (check or refusal.status != 403):
                    raise self._refused(refusal, address, _ADVICE[refusal.status]) from None
                raise
            except AttemptError as trouble:
                (address.not_reached if trouble.unreachable else address.reached)()
                unreachable += trouble.unreachable
                no_logprobs += trouble.no_logprobs
                hopeless = max(unreachable / len(self._addresses), no_logprobs) >= _CHECK_ATTEMPTS
                if attempt >= self._config.retries or (check and hopeless):
                    raise
                await asyncio.sleep(self._wait(attempt, trouble, draw, check))
            else:
                address.reached()
                self._count.update({"ratings": int(not check), **answer.tokens})
                if answer.model and len(self._models) < 10:
                    self._models.add(self._one_line(answer.model))
                return self._verdict(answer, form)

    def _wait(self, attempt: int, trouble: AttemptError, draw: random.Random, check: bool) -> float:
        """Seconds until the next attempt: what the server asks for, and at least the backoff."""
        doublings = 0 if check and trouble.unreachable else min(attempt - 1, 20)
        backoff = min(LONGEST_WAIT, self._first_wait * float(2**doublings)) * draw.uniform(0.5, 1)
        return max(backoff, (trouble.wait or 0.0) + draw.uniform(0, self._first_wait))

    def _verdict(self, answer: Answer, form: RequestForm) -> Verdict:
        lowest, highest = self._config.lowest, self._config.highest
        if self._config.mode == "generate":
            verdict = verdict_from_reply(answer.text, lowest, highest, cut=answer.cut)
        elif form.prefilled:
            gap = "" if answer.text[:1].isspace() else " "
            distribution = scale_probabilities(answer.positions, lowest, highest)
            reply = f"{REPLY_START}{gap}{answer.text}"
            verdict = verdict_from_probabilities(distribution, lowest, reply=reply)
        else:
            place = where_the_rating_stands(answer.positions, lowest, highest)
            verdict = verdict_from_reply(answer.text, lowest, highest)
            if place is not None:
                distribution = scale_probabilities(answer.positions[place : place + 1], lowest, highest)
                verdict = verdict_from_probabilities(distribution, lowest, reply=answer.text)
            elif verdict.rating is not None:
                verdict = replace(verdict, rating=None, reason="no token of the reply holds the rating")
        return replace(verdict, reply=self._addresses.hide(verdict.reply))

    async def _find_form(self, clients: Sequence["AsyncOpenAI"]) -> None:
        """Settle how this server is asked.

        Raises DiversityEvalError if it takes no form of the request, or gives no answer.
        """
        prompt = _CHECK_PROMPT.format(lowest=self._config.lowest, highest=self._config.highest)
        chat = self._config.api == "chat"
        while True:
            try:
                verdict = await self._answer(clients, self._form, prompt, 0, check=True)
                break
            except AttemptError as trouble:
                raise self._no_answer(trouble) from None
            except RefusedError as refusal:
                if (
                    chat
                    and "max_completion_tokens" in refusal.said
                    and self._form.length_field == "max_tokens"
                ):
                    self._form = replace(self._form, length_field="max_completion_tokens")
                elif chat and self._form.prefilled:
                    self._form = replace(self._form, prefilled=False)
                else:
                    advice = (
                        "fields of the request can be changed, or left out with null, under `request` in the "
                        "judge's YAML; if it is the log-probabilities, use mode: generate"
                    )
                    raise self._refused(refusal, self._addresses[0], advice) from None
        if chat and self._form.prefilled and verdict.rating is None:
            # Some servers take the reply's beginning for a message of its own, and have another one written.
            written = replace(self._form, prefilled=False)
            with contextlib.suppress(AttemptError, RefusedError):
                if (await self._answer(clients, written, prompt, 0, check=True)).rating is not None:
                    self._form = written

    def _no_answer(self, trouble: AttemptError) -> DiversityEvalError:
        where = f"judge {self._config.name}: the server at {', '.join(self._addresses.shown)}"
        said = f": {self._one_line(trouble.said)}" if trouble.said else ""
        if trouble.no_logprobs:
            return DiversityEvalError(
                f"{where} gives no log-probabilities, which mode: rate needs; serve the model with them, or "
                "use mode: generate"
            )
        if trouble.unreachable:
            return DiversityEvalError(
                f"{where} is out of reach ({trouble.reason}{said}); start it, or correct `base_url`"
            )
        return DiversityEvalError(
            f"{where} gave no usable answer in {self._config.retries} attempts ({trouble.reason}{said})"
        )

    def _refused(self, refusal: RefusedError, address: Address, advice: str) -> DiversityEvalError:
        said = self._one_line(refusal.said) or "no words"
        return DiversityEvalError(
            f"judge {self._config.name}: the server at {address.shown} answers {refusal.status} to a rating "
            f"request ({said}); {advice.format(key=self._config.api_key_env)}"
        )

    def _failed(self, reason: str, said: str = "") -> Verdict:
        reply = self._addresses.hide(said)
        return failed_verdict(self._one_line(f"{reason}: {said}" if said else reason), reply[:_LONGEST_SAID])

    def _one_line(self, text: str) -> str:
        """The text's beginning, printable, in one line, without secrets."""
        text = self._addresses.hide(text)[: 4 * _LONGEST_REASON]
        printable = "".join(c if c.isprintable() else " " for c in text)
        return " ".join(printable.split())[:_LONGEST_REASON]
