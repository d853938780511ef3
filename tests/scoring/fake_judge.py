"""A judge without a model, to be injected: it rates what stands in the response, and counts who asked."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from diversity_eval.judging.config import JudgeConfig
from diversity_eval.judging.verdict import (
    Verdict,
    failed_verdict,
    verdict_from_probabilities,
    verdict_from_reply,
)

YAML = "backend: server\nmodel: fake-judge\nrevision: r1\nbase_url: http://127.0.0.1:9/v1\nmode: {mode}\n"


def write_judge(folder: Path, mode: str = "generate") -> Path:
    path = folder / "fake.yaml"
    path.write_text(YAML.format(mode=mode), encoding="utf-8")
    return path


class MarkedJudge:
    """Rates a response N if `mark-N` stands in it; `mark-x` gets a reply without a rating, `mark-f` none.

    Attributes:
        prompts: what it was asked, in order.
        interrupt_after: raise KeyboardInterrupt after so many verdicts.
    """

    def __init__(self, config: JudgeConfig | None = None, interrupt_after: int | None = None) -> None:
        self.mode = config.mode if config else "generate"
        self.prompts: list[str] = []
        self.interrupt_after = interrupt_after
        self.closed = 0

    def judge(self, prompts: Sequence[str], on_verdict: Callable[[int, Verdict], None]) -> None:
        for index, prompt in enumerate(prompts):
            if index == self.interrupt_after:
                raise KeyboardInterrupt
            self.prompts.append(prompt)
            mark = re.findall(r"mark-([0-9xf])", prompt)[-1]
            on_verdict(index, self.verdict(mark))

    def verdict(self, mark: str) -> Verdict:
        if mark == "f":
            return failed_verdict("the server is down")
        if mark == "x":
            return verdict_from_reply("I would rather not.", 0, 5)
        if self.mode == "rate":
            other = 0.5 / 5
            return verdict_from_probabilities([0.5 if n == int(mark) else other for n in range(6)], 0)
        return verdict_from_reply(f"Total rating: {mark}", 0, 5)

    def signature_fields(self) -> dict[str, str]:
        return {}

    def record(self) -> dict[str, Any]:
        return {"device": "none"}

    def close(self) -> None:
        self.closed += 1
