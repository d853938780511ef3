"""A judge behind an OpenAI-compatible server (`vllm serve`, llama.cpp, a hosted API), or behind several."""

import contextlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from diversity_eval.errors import DiversityEvalError
from diversity_eval.judging.backends.server_attempts import FIRST_WAIT, KEY_ADVICE, Attempts, Clients
from diversity_eval.judging.backends.server_fields import RequestForm, first_form
from diversity_eval.judging.backends.server_replies import (
    Answer,
    AttemptError,
    Position,
    read_answer,
    scale_probabilities,
    where_the_rating_stands,
)
from diversity_eval.judging.backends.server_requests import RefusedError
from diversity_eval.judging.backends.server_words import word_probabilities
from diversity_eval.judging.config import JudgeConfig
from diversity_eval.judging.verdict import Verdict, failed_verdict

__all__ = ["ServerBackend"]

_LONGEST_SAID = 2000
_ADVICE = {
    **KEY_ADVICE,
    404: "check `model` and `base_url`, which mostly ends in /v1",
    405: "check `base_url`, which mostly ends in /v1",
}
_CHECK_PROMPT = (
    "Grade how well the response answers the question, {grade}.\n\n"
    "Question: How many days does a week have?\nResponse: A week has seven days.\n\n{form}"
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
        self._reply = config.reply
        self._form = first_form(config)
        self._attempts = Attempts(config, asking_for="rating", first_wait=first_wait)
        self._count: Counter[str] = Counter()
        self._models: set[str] = set()
        self._attempts.once(self._find_form)

    def judge(self, prompts: Sequence[str], on_verdict: Callable[[int, Verdict], None]) -> None:
        """Judge every prompt; see `Backend.judge`.

        A prompt fails if the server refuses it or gives no usable answer in `retries` attempts. Where many in
        a row had no answer, the server is taken for gone, and the rest fails without being asked.
        """

        async def ask(clients: Clients, prompt: str, number: int) -> Verdict:
            return await self._answer(clients, self._form, prompt, number)

        self._attempts.all(prompts, ask, self._failed, on_verdict, each="prompts")

    def signature_fields(self) -> dict[str, str]:
        """In `rate` mode, whether the judge wrote the reply's beginning itself: another measurement."""
        if self._config.mode != "rate" or self._form.rating_first:
            return {}
        return {"judge_reply_start": "written", "judge_max_tokens": str(self._config.max_tokens)}

    def record(self) -> dict[str, Any]:
        """Addresses, models as the server names them, requests, and tokens by its own count, if it counts."""
        import openai

        count = self._count
        return {
            "addresses": self._attempts.addresses.shown,
            "served_models": sorted(self._models),
            **self._reply_start(),
            "ratings": count["ratings"],
            "requests": self._attempts.requests,
            "prompt_tokens": count["prompt"],
            "tokens_computed": count["prompt"] - count["cached"] + count["reply"],
            "packages": {"openai": openai.__version__},
        }

    def close(self) -> None:
        """Connections are held during `judge` only."""

    async def _answer(
        self, clients: Clients, form: RequestForm, prompt: str, number: int, *, check: bool = False
    ) -> Verdict:
        """The verdict on one prompt; arguments and errors are those of `Attempts.ask`."""
        answer = await self._attempts.ask(
            clients,
            form.fields(prompt),
            lambda body: read_answer(body, logprobs=self._config.mode == "rate"),
            number,
            advice=_ADVICE,
            check=check,
        )
        self._count.update({"ratings": int(not check), **answer.tokens})
        if answer.model and len(self._models) < 10:
            self._models.add(self._attempts.one_line(answer.model))
        return self._verdict(answer, form)

    def _verdict(self, answer: Answer, form: RequestForm) -> Verdict:
        if self._config.mode == "generate":
            verdict = self._reply.verdict(answer.text, cut=answer.cut)
        elif form.rating_first:
            verdict = self._reply.distribution_verdict(
                self._probabilities(answer.positions), self._reply.begun(answer.text)
            )
        else:
            place = where_the_rating_stands(answer.positions, self._config.lowest, self._config.highest)
            verdict = self._reply.verdict(answer.text)
            if place is not None:
                distribution = self._probabilities(answer.positions[place : place + 1])
                verdict = self._reply.distribution_verdict(distribution, answer.text)
            elif verdict.rating is not None:
                verdict = replace(verdict, rating=None, reason="no token of the reply holds the rating")
        return replace(verdict, reply=self._attempts.addresses.hide(verdict.reply))

    def _probabilities(self, positions: Sequence[Position]) -> list[float]:
        """What a reply that begins with the rating gives to each, lowest first."""
        if self._config.words:
            return word_probabilities(positions, self._config.words)
        return scale_probabilities(positions, self._config.lowest, self._config.highest)

    def _reply_start(self) -> dict[str, str]:
        if not self._reply.start:
            return {}
        return {"reply_start": "given to the judge" if self._form.prefilled else "written by the judge"}

    async def _find_form(self, clients: Clients) -> None:
        """Settle how this server is asked.

        Raises DiversityEvalError if it takes no form of the request, or gives no answer.
        """
        grade, form = self._reply.task
        prompt = _CHECK_PROMPT.format(grade=grade, form=form)
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
                    raise self._attempts.refused(refusal, self._attempts.addresses[0], advice) from None
        if chat and self._form.prefilled and verdict.rating is None:
            # Some servers take the reply's beginning for a message of its own, and have another one written.
            written = replace(self._form, prefilled=False)
            with contextlib.suppress(AttemptError, RefusedError):
                if (await self._answer(clients, written, prompt, 0, check=True)).rating is not None:
                    self._form = written

    def _no_answer(self, trouble: AttemptError) -> DiversityEvalError:
        if trouble.no_logprobs:
            return DiversityEvalError(
                f"{self._attempts.where} gives no log-probabilities, which mode: rate needs; serve the model "
                "with them, or use mode: generate"
            )
        return self._attempts.no_answer(trouble)

    def _failed(self, reason: str, said: str) -> Verdict:
        reply = self._attempts.addresses.hide(said)
        line = self._attempts.one_line(f"{reason}: {said}" if said else reason)
        return failed_verdict(line, reply[:_LONGEST_SAID])
