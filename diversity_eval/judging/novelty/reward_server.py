"""A reward model behind a server like `vllm serve MODEL --runner pooling`, or behind several."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from diversity_eval.errors import DiversityEvalError
from diversity_eval.judging.backends.server_attempts import FIRST_WAIT, KEY_ADVICE, Attempts, Clients
from diversity_eval.judging.backends.server_fields import load_tokenizer
from diversity_eval.judging.backends.server_replies import AttemptError
from diversity_eval.judging.backends.server_requests import RefusedError
from diversity_eval.judging.novelty.config import RewardConfig
from diversity_eval.judging.novelty.control_tokens import broken_up
from diversity_eval.judging.novelty.conversation import ConversationEncoder
from diversity_eval.judging.novelty.items import Answer, Reward
from diversity_eval.judging.novelty.reward_replies import NoRewardError, RewardReply, read_reward

__all__ = ["ServerReward"]


@dataclass(frozen=True, slots=True)
class _Form:
    """How a server is asked: where, by which field the activation is switched off, and with what else."""

    path: str
    switch: str
    rest: Mapping[str, Any] = field(default_factory=dict)


# The first is that of vLLM from 0.12 on; the last is that of 0.11.0, which had another name for the switch.
_FORMS = (
    _Form("/classify", "use_activation"),
    _Form("/pooling", "use_activation", {"task": "classify"}),
    _Form("/pooling", "activation", {"task": "classify"}),
)
_OURS = frozenset(
    {"model", "messages", "input", "task", "stream", "add_generation_prompt", "continue_final_message",
     "add_special_tokens", "truncate_prompt_tokens", *(form.switch for form in _FORMS)}
)  # fmt: skip
_QUESTION = "How many days does a week have?"
_CHECKS = tuple(
    Answer(_QUESTION, response) for response in ("A week has seven days.", "No.", "week week week " * 8)
)
_SLACK = 1e-3  # rounding may push a probability so far out of [0, 1]
_SAME = 0.02  # 16 bits and another batch move a number by less; x and 1/(1+exp(-x)) meet at one point only
_SERVE = "serve a reward model there: vllm serve MODEL --runner pooling"
_RAW = (
    "which are not the raw rewards that the thresholds are for; switch its sigmoid off, serve the model by "
    "vLLM 0.12 or later, or use backend: transformers"
)


class ServerReward:
    """Asks for the raw reward of (user: prompt, assistant: response), `concurrency` requests at once.

    The server renders the conversation in its own chat template, without the beginning of another reply, and
    adds no second first token. Control tokens that a text spells are broken up, see `broken_up`, and texts in
    which that happened are counted; nothing else about a text is changed. With `tokenizer` set the
    conversations are rendered here and sent as token ids, the same as the transformers backend's.

    Requests go to the addresses in turn; failed ones are made again as described in `Attempts`.
    """

    def __init__(self, config: RewardConfig, *, first_wait: float = FIRST_WAIT) -> None:
        """Ask every address for rewards, to see that they are raw.

        That a number lies outside [0, 1], or changes when the activation is switched on, shows it. An address
        that is out of reach does not matter as long as another is not.

        Raises DiversityEvalError if the server cannot be reached, refuses the request, does not know the
        model, gives several numbers, or gives activated ones whatever it is asked.
        """
        if ours := sorted(_OURS & set(config.request)):
            raise DiversityEvalError(
                f"{config.label}: `request` cannot set {', '.join(ours)}; name the model under `model`, and "
                "leave out the others"
            )
        if config.max_length is not None:
            raise DiversityEvalError(
                f"{config.label}: `max_length` belongs to backend: transformers; a server has a limit of its "
                "own (vllm serve --max-model-len)"
            )
        self._config = config
        self._encoder = _encoder(config) if config.tokenizer is not None else None
        roots = tuple(_root(url) for url in config.base_url)
        self._attempts = Attempts(replace(config, base_url=roots), asking_for="reward", first_wait=first_wait)
        self._form = _FORMS[0]
        self._count: Counter[str] = Counter()
        self._models: set[str] = set()
        self._attempts.once(self._find_form)

    def rewards(
        self, answers: Sequence[Answer], on_results: Callable[[Sequence[tuple[int, Reward]]], None]
    ) -> None:
        """See `RewardModel.rewards`; what fails and when the server is given up is in `Attempts.all`."""

        async def ask(clients: Clients, answer: Answer, number: int) -> Reward:
            try:
                reply = await self._reply(clients, self._form, answer, number)
            except NoRewardError as error:
                raise DiversityEvalError(f"{self._attempts.where} {error}; {_SERVE}") from None
            if reply.value is None:
                return Reward(None, "the server's reward is not a finite number")
            self._count["responses"] += 1
            return Reward(reply.value)

        def failed(reason: str, said: str) -> Reward:
            return Reward(None, self._attempts.one_line(f"{reason}: {said}" if said else reason))

        self._attempts.all(
            answers, ask, failed, lambda index, reward: on_results([(index, reward)]), each="responses"
        )

    def record(self) -> dict[str, Any]:
        """Addresses, models as the server names them, how it is asked, and what it did so far.

        `tokens` are by the server's own count, if it counts; `broken_up` are texts with control tokens.
        """
        import openai

        return {
            "addresses": self._attempts.addresses.shown,
            "served_models": sorted(self._models),
            "endpoint": self._form.path,
            "conversations": "rendered by the server" if self._encoder is None else "sent as token ids",
            "responses": self._count["responses"],
            "requests": self._attempts.requests,
            **{key: self._count[key] for key in ("tokens", "broken_up") if self._count[key]},
            "packages": {"openai": openai.__version__},
        }

    def close(self) -> None:
        """Connections are held during `rewards` only."""

    async def _find_form(self, clients: Clients) -> None:
        """Settle how this server is asked.

        Raises DiversityEvalError if no form gives raw rewards, or gives them at some address only.
        """
        unfit: list[str] = []
        refusals: list[RefusedError] = []
        for form in _FORMS:
            try:
                wrong = await self._what_is_wrong(clients, form, 0)
            except RefusedError as refusal:
                refusals.append(refusal)
                continue
            except AttemptError as trouble:
                raise self._attempts.no_answer(trouble) from None
            if wrong is None:
                self._form = form
                break
            unfit.append(wrong)
        else:
            raise self._unfit(unfit[0]) if unfit else self._refused(refusals)
        for place in range(1, len(self._attempts.addresses)):
            try:
                wrong = await self._what_is_wrong(clients, self._form, place)
            except RefusedError as refusal:
                raise self._refused([refusal], place) from None
            except AttemptError:
                continue
            if wrong is not None:
                raise self._unfit(wrong)

    async def _what_is_wrong(self, clients: Clients, form: _Form, place: int) -> str | None:
        """Why the numbers that a server gives are no raw rewards, as a predicate; None if they are."""
        try:
            numbers = []
            for answer in _CHECKS:
                number = (await self._reply(clients, form, answer, place, check=True)).value
                if number is None:
                    return (
                        "gives no finite number for a plain conversation; see its log, or serve the model "
                        "with a wider --dtype"
                    )
                if not -_SLACK <= number <= 1 + _SLACK:
                    return None
                numbers.append(number)
            for answer, number in zip(_CHECKS, numbers, strict=True):
                reply = await self._reply(clients, form, answer, place, check=True, activation=True)
                if reply.value is not None and abs(reply.value - number) > _SAME:
                    return None
        except NoRewardError as error:
            return f"{error}; {_SERVE}"
        return f"gives numbers from 0 to 1 however it is asked, {_RAW}"

    async def _reply(
        self,
        clients: Clients,
        form: _Form,
        answer: Answer,
        number: int,
        *,
        check: bool = False,
        activation: bool = False,
    ) -> RewardReply:
        """The reply about one response; `number`, `check` and errors are those of `Attempts.ask`."""
        fields = {
            "model": self._config.model,
            **self._conversation(answer),
            form.switch: activation,
            **form.rest,
            **self._config.request,
        }
        reply = await self._attempts.ask(
            clients,
            {name: value for name, value in fields.items() if value is not None},
            read_reward,
            number,
            advice=KEY_ADVICE if check else {**KEY_ADVICE, 404: _SERVE, 405: _SERVE},
            check=check,
            path=form.path,
        )
        if not check:
            self._count["tokens"] += reply.tokens or 0
        if reply.model and len(self._models) < 10:
            self._models.add(self._attempts.one_line(reply.model))
        return reply

    def _conversation(self, answer: Answer) -> dict[str, Any]:
        if self._encoder is not None:
            return {"input": self._encoder.encode(answer), "add_special_tokens": False}
        prompt, response = broken_up(answer.prompt), broken_up(answer.response)
        self._count["broken_up"] += (prompt != answer.prompt) + (response != answer.response)
        return {
            "messages": [{"role": "user", "content": prompt}, {"role": "assistant", "content": response}],
            "add_generation_prompt": False,
            "add_special_tokens": False,
        }

    def _unfit(self, wrong: str) -> DiversityEvalError:
        return DiversityEvalError(f"{self._attempts.where} {wrong}")

    def _refused(self, refusals: Sequence[RefusedError], place: int = 0) -> DiversityEvalError:
        """The error of a server that takes no form; the refusal that says most about it is shown."""
        address = self._attempts.addresses[place]
        for refusal in refusals:
            if refusal.status == 404 and self._config.model in refusal.said:
                advice = "name under `model` what the server calls it (GET /v1/models lists that)"
                return self._attempts.refused(refusal, address, advice)
        # A path that is not there says less than one that takes something else.
        refusal = next((r for r in refusals if r.status not in (404, 405)), refusals[0])
        return self._attempts.refused(refusal, address, f"check `base_url`, or {_SERVE}")


def _root(url: str) -> str:
    """vLLM has its endpoints for pooling models beside `/v1`, not under it."""
    return url.rstrip("/").removesuffix("/v1")


def _encoder(config: RewardConfig) -> ConversationEncoder:
    assert config.tokenizer is not None
    tokenizer = load_tokenizer(
        config.label, config.tokenizer, what="`tokenizer`", instead="leave it out: the server has its own"
    )
    return ConversationEncoder(tokenizer, config.label)
