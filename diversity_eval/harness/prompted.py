"""What all our tasks share: documents, the user's options, and prompts that suit the checkpoint."""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from itertools import islice
from typing import Any

from lm_eval.api.task import ConfigurableTask

from diversity_eval.errors import DiversityEvalError
from diversity_eval.harness.documents import load_documents
from diversity_eval.harness.messages import logger, one_line_errors
from diversity_eval.harness.model import EvaluatedModel, find_model
from diversity_eval.harness.options import TaskOptions
from diversity_eval.harness.provenance import document_selection
from diversity_eval.harness.templates import choose_template, render_chat
from diversity_eval.harness.trained import training_of
from diversity_eval.prompting.template import PromptTemplate
from diversity_eval.redaction import without_secrets

__all__ = ["Asked", "PromptedRun", "PromptedTask"]


@dataclass(frozen=True)
class Asked:
    """What lm-eval asks for: which documents, for which rank of how many, and what else concerns prompts."""

    limit: int | None
    samples: list[int] | None
    rank: int
    world_size: int
    context: dict[str, Any]


@dataclass
class PromptedRun:
    """What is known once lm-eval asks for the requests: the model, and how it is prompted."""

    model: EvaluatedModel
    template: PromptTemplate
    own_chat: bool
    chat_applied: bool
    system: str
    documents: str


class PromptedTask(ConfigurableTask):  # type: ignore[misc]
    """A task whose YAML holds a block `metadata.diversity_eval`; `MultiSampleTask` lists its keys."""

    def __init__(self, config: dict[str, Any]) -> None:
        """Read the YAML's settings and the user's options; load the documents."""
        one_line_errors()
        config = deepcopy({key: value for key, value in config.items() if key != "class"})
        config.setdefault("metric_list", [])
        given = config.get("metadata") or {}
        self._options = TaskOptions.from_metadata(given)
        metadata = config["metadata"] = without_secrets(given)
        for name in ("judge_set", "classifier_set", "reward_set"):
            if changed := getattr(self._options, name):  # addresses and fields of requests may hold secrets
                metadata[name] = sorted(changed)
        self._settings: dict[str, Any] = dict(metadata.get("diversity_eval") or {})
        self._model: EvaluatedModel | None = None
        self._picked = ""
        super().__init__(config=config)

    def download(self, dataset_kwargs: dict[str, Any] | None = None, **kwargs: Any) -> None:
        """Load the documents from where sources.yaml says, checked against what it says."""
        import datasets

        documents = load_documents(str(self.config.task), self._settings)
        self._provenance, self._picked = documents.provenance, documents.picked
        self.dataset = datasets.DatasetDict({"test": datasets.Dataset.from_list(documents.rows)})

    def doc_iterator(
        self,
        *,
        rank: int = 0,
        limit: int | None = None,
        world_size: int = 1,
        samples: list[int] | None = None,
    ) -> Iterator[tuple[int, Any]]:
        """This rank's documents with their places.

        With `--samples`, in the order asked for: lm-eval reads the i-th document as samples[i] in the
        log, but draws them in the data's order, so an unsorted list would mislabel them.
        """
        if not samples:
            documents: Iterator[tuple[int, Any]] = super().doc_iterator(
                rank=rank, limit=limit, world_size=world_size
            )
            return documents
        count = len(self.eval_docs)
        if wrong := [index for index in samples if not 0 <= index < count]:
            raise DiversityEvalError(
                f"--samples: {self.config.task} has documents 0 to {count - 1}, not {wrong[0]}"
            )
        return islice(((i, self.eval_docs[index]) for i, index in enumerate(samples)), rank, None, world_size)

    def attach_model(self, lm: Any) -> None:
        """Say which lm-eval model will be evaluated, where the task cannot find it by itself."""
        self._model = EvaluatedModel(lm)

    def fewshot_context(self, doc: Any, num_fewshot: int, **kwargs: Any) -> Any:
        """The prompt for one document (worked examples, where a task has them, are part of its text)."""
        run = self._prompted_run()
        if run.chat_applied:
            return super().fewshot_context(doc, num_fewshot, **kwargs)
        instruction = self.doc_to_text(doc)
        if run.own_chat:
            return render_chat(run.model, instruction, run.system)
        text = f"{run.system}\n\n{instruction}" if run.system else instruction
        return run.template.render(text, doc)

    def prompts(self) -> dict[int, Any]:
        """This rank's prompts by document, as they are sent."""
        return {instance.doc_id: instance.arguments[0] for instance in self._instances}

    def build_all_requests(
        self,
        *,
        limit: int | None = None,
        samples: list[int] | None = None,
        rank: int = 0,
        world_size: int = 1,
        system_instruction: str | None = None,
        apply_chat_template: bool = False,
        **kwargs: Any,
    ) -> None:
        """Check everything that can be refused beforehand, then build the requests.

        Raises DiversityEvalError for options, prompts or models that cannot give what the task measures.
        """
        if kwargs.pop("cache_requests", False):
            # Its key knows neither K, nor seeds, nor the prompt template.
            logger.warning("%s: --cache_requests is not used: building requests is quick", self.config.task)
        kwargs.pop("rewrite_requests_cache", None)
        model = self._model or find_model()
        self._check_documents(limit, samples, world_size)
        if self._picked:
            logger.info("%s: the documents are those of %s", self.config.task, self._picked)
        asked = Asked(limit, samples, rank, world_size, kwargs)
        system = "\n\n".join(part for part in (system_instruction, self.config.description) if part)
        documents = document_selection(len(self.eval_docs), limit, samples)
        template, own_chat = choose_template(
            self._options.prompt_template,
            model,
            base=bool(self._settings.get("base")),
            chat_applied=apply_chat_template,
            task=str(self.config.task),
        )
        prompted = PromptedRun(model, template, own_chat, apply_chat_template, system, documents)
        self._prepare(prompted, asked)
        super().build_all_requests(
            limit=limit,
            samples=samples,
            rank=rank,
            world_size=world_size,
            system_instruction=system_instruction,
            apply_chat_template=apply_chat_template,
            **kwargs,
        )
        self._check_system_text(prompted)
        self._settle(asked)

    def _prepare(self, prompted: PromptedRun, asked: Asked) -> None:
        """Refuse what cannot be measured, and open what is needed, before there are prompts."""
        raise NotImplementedError

    def _settle(self, asked: Asked) -> None:
        """Check and adapt the finished requests."""
        raise NotImplementedError

    def _check_documents(self, limit: int | None, samples: list[int] | None, world_size: int) -> None:
        available = len(self.eval_docs)
        count = len(samples) if samples else available if limit is None else min(limit, available)
        if count < 1:
            raise DiversityEvalError(f"{self.config.task}: --limit {limit} leaves no document; use 1 or more")
        if count < world_size:
            raise DiversityEvalError(
                f"{self.config.task}: {count} documents for {world_size} ranks leave a rank without any; use "
                "at least as many documents as ranks"
            )

    def _check_system_text(self, run: PromptedRun) -> None:
        prompt = next(iter(self.prompts().values()))
        if run.system and run.system not in str(prompt) and isinstance(prompt, str):
            raise DiversityEvalError(
                f"{self.config.task}: the checkpoint's chat template takes no system message, so the system "
                "instruction would be dropped; leave --system_instruction out"
            )

    def _prompted_run(self) -> PromptedRun:
        """The run that `build_all_requests` began."""
        raise NotImplementedError

    def _record_of_settings(self) -> dict[str, Any]:
        record: dict[str, Any] = {key: value for key, value in self._settings.items() if key != "rows"}
        training = training_of(self.config.metadata or {})
        return {
            **record,
            **({"picked": self._picked} if self._picked else {}),
            **({"training": training} if training else {}),
        }
