"""The lm-eval task class that reads how a model's first token is distributed over known answers."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lm_eval.api.instance import Instance

from diversity_eval.errors import DiversityEvalError
from diversity_eval.harness.first_tokens import FirstTokens, first_tokens
from diversity_eval.harness.messages import warn_once
from diversity_eval.harness.model import EvaluatedModel
from diversity_eval.harness.prompted import Asked, PromptedRun, PromptedTask
from diversity_eval.harness.prompts import beginning_text
from diversity_eval.harness.provenance import common_record, prompt_fields
from diversity_eval.harness.scoring import aggregations
from diversity_eval.metrics.first_token import (
    FIRST_TOKEN_HIGHER_IS_BETTER,
    first_token_metrics,
)
from diversity_eval.scoring.family import Names
from diversity_eval.scoring.prompt_scorer import PromptMetrics
from diversity_eval.scoring.reported import UNDEFINED, Reported

__all__ = ["FirstTokenTask"]

_MUCH_SHARED = 0.05
_REPORTED = Reported(
    families=(Names(FIRST_TOKEN_HIGHER_IS_BETTER, parameters={"": {"forms": "as is, capital, space"}}),),
    diversity=False,
)


@dataclass
class _Run(PromptedRun):
    """What is known once lm-eval asks for the requests; also which tokens are asked for, by document."""

    tokens: dict[str, FirstTokens] = field(default_factory=dict)


class FirstTokenTask(PromptedTask):
    """A task whose documents have an `id`, right answers and wrong ones (each a list of words).

    The probability of every answer's first token comes from the model itself (`loglikelihood`), so nothing is
    sampled, and temperature and K have no part in it.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        """Read the YAML's settings and the user's options; load the documents."""
        self._run: _Run | None = None
        super().__init__(config=config)
        self._aggregation_list = aggregations(_REPORTED)
        self._higher_is_better = _REPORTED.directions

    def _prepare(self, prompted: PromptedRun, asked: Asked) -> None:
        """Raises DiversityEvalError for models that give no probabilities of tokens here."""
        _check_model(prompted.model, self.config.task)
        self._run = _Run(**vars(prompted))

    def _settle(self, asked: Asked) -> None:
        """Say where the prompt lacks the first token that the model may be used to."""
        user_set = "add_bos_token" in (self.config.metadata or {})
        prompt = next(iter(self.prompts().values()))
        beginning_text(prompt, self._current_run().model, user_set=user_set, task=self.config.task)

    def construct_requests(self, doc: Any, ctx: Any, **kwargs: Any) -> list[Instance]:
        """One request for each token, and one for the white space at the prompt's end if there is any.

        Raises DiversityEvalError for tokenizers under which an answer has no first token of its own.
        """
        run = self._current_run()
        task, doc_id, _ = kwargs["metadata"]
        try:
            found = first_tokens(run.model.lm, ctx, doc["right"], doc["wrong"])
        except DiversityEvalError as error:
            raise DiversityEvalError(f"{task}, document {doc['id']}: {error}") from None
        run.tokens[doc["id"]] = found
        pairs = [*found.requests.values(), *([found.gap] if found.gap is not None else [])]
        return [
            Instance("loglikelihood", doc=doc, arguments=pair, idx=place, metadata=(task, doc_id, 1))
            for place, pair in enumerate(pairs)
        ]

    def process_results(self, doc: Any, results: list[Any]) -> Mapping[str, Any]:
        """The metrics of one prompt from the log-likelihoods of its tokens."""
        found = self._current_run().tokens[doc["id"]]
        values = [float(value) for value, _ in results]
        gap = values.pop() if found.gap is not None else 0.0
        logs = {token: value - gap for token, value in zip(found.requests, values, strict=True)}
        if "bypass" in self._metric_fn_list:  # lm-eval's --predict_only
            return {"bypass": values}
        metrics = first_token_metrics(found.right, found.wrong, logs)
        if metrics.mass_shared > _MUCH_SHARED:
            warn_once(
                f"shared first tokens, {self.config.task}, {doc['id']}",
                f"{self.config.task}, document {doc['id']}: right and wrong answers begin with the same "
                f"token, which has a probability of {metrics.mass_shared:.2f} and tells nothing; see "
                "`shared` in the sample log",
            )
        given = {name: float(getattr(metrics, name)) for name in FIRST_TOKEN_HIGHER_IS_BETTER}
        values_ = {name: value for name, value in given.items() if not math.isnan(value)}
        left_out = {"forms_left_out": list(found.left_out)} if found.left_out else {}
        return PromptMetrics(
            {**values_, UNDEFINED: float(len(values_) < len(given))}, {**metrics.notes(), **left_out}
        )

    def dump_config(self) -> dict[str, Any]:
        """The configuration for the results file, with signatures and how the prompts were sent."""
        config: dict[str, Any] = super().dump_config()
        record = self._record_of_settings()
        if self._run is not None:
            fields = prompt_fields(self.config, self._run, self._provenance, self._picked)
            record |= common_record(self._run, self._provenance)
            record["signatures"] = _REPORTED.signatures(fields)
        config["metadata"] = {**(config.get("metadata") or {}), "diversity_eval": record}
        return config

    def _current_run(self) -> _Run:
        if self._run is None:
            raise DiversityEvalError(f"{self.config.task}: build_all_requests() has to be called first")
        return self._run

    def _prompted_run(self) -> PromptedRun:
        return self._current_run()


def _check_model(model: EvaluatedModel, task: str) -> None:
    if model.kind not in ("hf", "vllm"):
        raise DiversityEvalError(
            f"{task}: {model.name} gives no probabilities of single tokens here; use --model hf or vllm"
        )
