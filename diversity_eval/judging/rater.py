"""From responses to verdicts: render, look up, ask the judge for what is missing, keep every answer."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from diversity_eval.judging.backends import Backend, open_backend
from diversity_eval.judging.config import JudgeConfig
from diversity_eval.judging.store import VerdictStore, verdict_key
from diversity_eval.judging.verdict import Verdict, failed_verdict
from diversity_eval.metrics.signature import Signature

__all__ = ["Rater", "Rating"]


@dataclass(frozen=True, slots=True)
class Rating:
    """A response to be rated: the kind of task (which rubric), what was asked, what came.

    Attributes:
        other: a second response, where the rubric compares two.
        responses: all responses to the prompt, where the rubric shows them at once; `response` is then idle.
    """

    kind: str
    prompt: str
    response: str
    other: str | None = None
    responses: tuple[str, ...] | None = None


class Rater:
    """A judge with its store.

    The judge is loaded when the first verdict is missing, so that rating from the store alone loads
    nothing; `open()` loads it before.
    """

    def __init__(
        self,
        config: JudgeConfig,
        store: VerdictStore,
        *,
        open_with: Callable[[JudgeConfig], Backend] | None = None,
        progress: bool = True,
    ) -> None:
        """`open_with` makes the backend (`open_backend` if unsaid); `progress` shows a bar on stderr."""
        self.config = config
        self.store = store
        self._open_with = open_with or open_backend
        self._backend: Backend | None = None
        self._progress = progress
        self.from_store = 0
        self.asked = 0
        self.seconds = 0.0

    def open(self) -> Backend:
        """Load the judge, if it is not yet.

        Raises DiversityEvalError if it cannot be loaded or reached.
        """
        if self._backend is None:
            self._backend = self._open_with(self.config)
        return self._backend

    def close(self) -> None:
        """Unload the judge and close the store."""
        if self._backend is not None:
            self._backend.close()
            self._backend = None
        self.store.close()

    def rate(
        self,
        items: Sequence[Rating],
        *,
        retry_unscored: bool = False,
        on_verdict: Callable[[Rating, Verdict], None] | None = None,
    ) -> list[Verdict]:
        """A verdict for each item, in their order; equal items are judged once.

        `retry_unscored` asks again where the judge's earlier answer gave no rating; that answer stays until
        there is another. A verdict that could not be had has `failed`, and is asked for again by the next
        call. `on_verdict` is called once for each different item, as soon as its verdict is there.
        """
        prompts = {item: self._render(item) for item in dict.fromkeys(items)}
        signatures, keys, verdicts = self._stored(prompts, retry_unscored)
        lacking = len(verdicts) < len(set(keys.values()))
        # Opened, it may turn out to be asked in another way than was looked up.
        if lacking and self._backend is None and self.open().signature_fields():
            signatures, keys, verdicts = self._stored(prompts, retry_unscored)
        self.from_store += len(verdicts)
        missing = {keys[item]: item for item in prompts if keys[item] not in verdicts}
        waiting: dict[str, list[Rating]] = {}
        for item, key in keys.items():
            waiting.setdefault(key, []).append(item)

        def tell(key: str, verdict: Verdict) -> None:
            if on_verdict is not None:
                for item in waiting[key]:
                    on_verdict(item, verdict)

        for key, verdict in verdicts.items():
            tell(key, verdict)
        if missing:
            verdicts |= self._ask(
                [(key, signatures[item.kind], prompts[item]) for key, item in missing.items()],
                tell,
                replace_unscored=retry_unscored,
            )
        return [verdicts[keys[item]] for item in items]

    def kept(self, items: Sequence[Rating], reason: str) -> list[Verdict]:
        """The verdicts that are in the store; for the other items one that failed for `reason`."""
        prompts = {item: self._render(item) for item in dict.fromkeys(items)}
        _, keys, verdicts = self._stored(prompts, False)
        return [verdicts.get(keys[item]) or failed_verdict(reason) for item in items]

    def signature_fields(self, kind: str) -> dict[str, str]:
        """What a rating depends on: the configuration, and once the judge is open also how it is asked."""
        opened = self._backend.signature_fields() if self._backend is not None else {}
        return {**self.config.signature_fields(kind), **opened}

    def record(self) -> dict[str, Any]:
        """The judge as configured and as run, and how many verdicts were new, for the results file."""
        running = self._backend.record() if self._backend is not None else {}
        return {
            **self.config.record(),
            "running": running,
            "verdicts_from_store": self.from_store,
            "verdicts_asked": self.asked,
            "seconds_asking": round(self.seconds, 3),
        }

    def _stored(
        self, prompts: Mapping[Rating, str], retry_unscored: bool
    ) -> tuple[dict[str, str], dict[Rating, str], dict[str, Verdict]]:
        """Signatures by kind, keys by item, and the final verdicts that the store has for them."""
        signatures = {
            kind: str(Signature("judge", self.signature_fields(kind)))
            for kind in {item.kind for item in prompts}
        }
        keys = {item: verdict_key(signatures[item.kind], prompt) for item, prompt in prompts.items()}
        verdicts = self.store.get(list(dict.fromkeys(keys.values())))
        if retry_unscored:
            verdicts = {key: verdict for key, verdict in verdicts.items() if verdict.rating is not None}
        return signatures, keys, verdicts

    def _render(self, item: Rating) -> str:
        rubric = self.config.rubric(item.kind)
        return rubric.render(
            item.prompt, item.response, lowest=self.config.lowest, highest=self.config.highest,
            words=self.config.words, other=item.other, responses=item.responses,
        )  # fmt: skip

    def _ask(
        self,
        questions: Sequence[tuple[str, str, str]],
        tell: Callable[[str, Verdict], None],
        *,
        replace_unscored: bool,
    ) -> dict[str, Verdict]:
        """Ask for (key, signature, prompt); every answer is stored, and told, before the next is waited for.

        Where another process was first, its verdict is the one that stays.
        """
        from tqdm import tqdm

        backend = self.open()
        verdicts: dict[str, Verdict] = {}
        unscored = 0
        started = time.monotonic()
        with tqdm(
            total=len(questions), desc=f"Rating with {self.config.name}", unit="rating",
            disable=not self._progress, smoothing=0.1,
        ) as bar:  # fmt: skip

            def keep(index: int, verdict: Verdict) -> None:
                nonlocal unscored
                key, signature, prompt = questions[index]
                if key in verdicts:
                    return
                self.store.put(signature, prompt, verdict, replace_unscored=replace_unscored)
                verdicts[key] = self.store.get([key]).get(key, verdict)
                self.asked += 1
                bar.update()
                if verdict.rating is None:
                    unscored += 1
                    bar.set_postfix(unscored=unscored, refresh=False)
                tell(key, verdicts[key])

            try:
                backend.judge([prompt for _, _, prompt in questions], keep)
            finally:
                self.seconds += time.monotonic() - started
        for key, signature, prompt in questions:
            if key not in verdicts:
                verdicts[key] = failed_verdict("the backend returned no verdict")
                self.store.put(signature, prompt, verdicts[key])
                tell(key, verdicts[key])
        return verdicts
