"""The lm-eval task class that draws K independent responses to each prompt and scores them together."""

from collections import defaultdict
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from lm_eval.api.instance import Instance

from diversity_eval.errors import DiversityEvalError
from diversity_eval.harness.answers import report_answers
from diversity_eval.harness.embeddings import choose_embedding
from diversity_eval.harness.identical import check_not_identical, remember
from diversity_eval.harness.judge import judge_error, open_rater, report_unscored
from diversity_eval.harness.messages import expect_fewer_documents, logger
from diversity_eval.harness.model import (
    EvaluatedModel,
    seed_stream,
    use_own_limits,
    use_side_by_side_requests,
)
from diversity_eval.harness.novelty import open_novelty, report_unknown
from diversity_eval.harness.options import PRESETS
from diversity_eval.harness.prompted import Asked, PromptedRun, PromptedTask
from diversity_eval.harness.prompts import ContextFit, beginning_text, fit_context
from diversity_eval.harness.provenance import hidden_generation, run_fields, run_record
from diversity_eval.harness.sampling import (
    SamplingPlan,
    check_generation,
    derive_seed,
    normalise_generation,
    plan_sampling,
)
from diversity_eval.harness.scoring import aggregations
from diversity_eval.harness.server import accepted_generation
from diversity_eval.logs.document import DocumentFields
from diversity_eval.logs.run_fields import RUN_FIELDS, without_fresh
from diversity_eval.prompting.cleanup import clean_response
from diversity_eval.scoring.families import families_of, measures_of
from diversity_eval.scoring.family import PromptResponses
from diversity_eval.scoring.novelty import NoveltyScorer
from diversity_eval.scoring.prompt_scorer import PromptScorer
from diversity_eval.scoring.unverified import Unverified

__all__ = ["MultiSampleTask"]

_FILTER = "none"


@dataclass
class _Run(PromptedRun):
    """What is known once lm-eval asks for the requests; also how the responses are sampled."""

    plan: SamplingPlan
    generation: dict[str, Any]
    beginning: str = ""
    left_out: tuple[str, ...] = ()
    fit: ContextFit | None = None


class MultiSampleTask(PromptedTask):
    """A generation task whose YAML names this class.

    `repeats` is K. The block `metadata.diversity_eval` of the YAML holds:

    - documents: `source` (a row of sources.yaml, or `rows`: a function that returns them), `select`, `draw`
      and `rename` (see `load_documents`), `id_field` and `category_field` (a document's name, and what values
      are given apart for);
    - prompts: `base` (the prompt is text to continue, not an instruction), `stop` (where a response is cut),
      `sample_seed`;
    - judges: `kind` (`story`, `instruction`, `harm`: which rubric), `prompt_field` (the document's field that
      a judge is shown as the prompt), `judged: false` (none is asked);
    - measures: `novelty` (Distinct and Utility), `measures` (`coverage` with its `pass_at`, `refusal`,
      `choice` with `macro` and `answer_begun`), and where right answers and options stand: `answer_field`,
      `answer_form`, `choices_field` (see `DocumentFields`).

    A user's options are in `options.py`.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        """Read the YAML's settings and the user's options; load the documents."""
        self._run: _Run | None = None
        super().__init__(config=config)
        task = str(self.config.task)
        self._measures = measures_of(task, self._settings)
        if self._measures != "choice":  # which is greedy
            preset = PRESETS[self._options.preset]
            self.config.generation_kwargs = {**self.config.generation_kwargs, **preset}
        self._fields = DocumentFields.of_task(task, self._settings)
        if self._measures == "coverage":
            self._settings["pass_at"] = self._options.pass_at or int(self._settings.get("pass_at", 0))
        self._novelty: NoveltyScorer | None = None
        self._use_scorer(PromptScorer())

    def _prepare(self, prompted: PromptedRun, asked: Asked) -> None:
        """Plan the samples; load and try judge and classifiers.

        Raises DiversityEvalError for sampling settings or servers that cannot give K independent responses.
        """
        use_side_by_side_requests(prompted.model, task=self.config.task)
        self._run = self._plan_run(prompted)
        self._check_prompt_field()
        if "bypass" not in self._metric_fn_list:
            self._open_scorer(prompted.model, asked.world_size)

    def _settle(self, asked: Asked) -> None:
        """Fit the requests to the model; a signature that cannot be written must come to light now."""
        run = self._current_run()
        self._fit_requests(run, self._all_prompts(asked))
        use_own_limits(run.model, task=self.config.task)
        if hidden := hidden_generation(run):
            logger.warning(
                "%s: the checkpoint's generation_config also sets %s, which transformers applies and other "
                "backends may not; the signature says so, and --gen_kwargs can override it",
                self.config.task, ", ".join(f"{name}={value}" for name, value in hidden.items()),
            )  # fmt: skip
        if self._options.sample_seed is not None:
            seed = derive_seed(self._options.sample_seed, asked.rank)
            seed_stream(run.model, seed, task=self.config.task)
        run_fields(self.config, run, self._provenance, self._picked)
        remember(self, run.model)

    def _use_scorer(self, scorer: PromptScorer) -> None:
        self._scorer = scorer
        if "bypass" not in self._metric_fn_list:  # lm-eval's --predict_only
            self._aggregation_list = aggregations(scorer.reported)
            self._higher_is_better = scorer.reported.directions
            if scorer.reported.without_spread:
                expect_fewer_documents(self.config.task, scorer.reported.without_spread)

    def _open_scorer(self, model: EvaluatedModel, world_size: int) -> None:
        """Load and try judge and classifiers, so that what fails does so before the generation."""
        task = str(self.config.task)
        rater = None
        if self._settings.get("judged") is not False:
            rater = open_rater(self._options, model, kind=self._kind, task=task)
        elif self._options.judge is not None:
            logger.info("%s: its answers are right or wrong, so the judge is not asked", task)
        self._novelty = open_novelty(self._options, model, self._settings, self.eval_docs, task=task)
        documents = [self._prompt_responses(doc, []) for doc in self.eval_docs]  # all can be read
        categories = {name for document in documents for name in document.categories}
        largest_k = int(self._settings.get("pass_at", 0))
        families = families_of(task, self._settings, categories, largest_k=largest_k)
        several = self._current_run().plan.num_samples > 1
        self._use_scorer(
            PromptScorer(
                choose_embedding(self._options.embeddings) if several else None,
                rater,
                [*([self._novelty] if self._novelty is not None else []), *families],
                kind=self._kind,
                prompt_field=str(self._settings.get("prompt_field") or ""),
                diversity=several,
                every_name=world_size > 1,
                on_judge_error=lambda error: judge_error(task, error),
            )
        )

    def _plan_run(self, prompted: PromptedRun) -> _Run:
        task, model, template = self.config.task, prompted.model, prompted.template
        plan = plan_sampling(
            self._options,
            repeats=int(self.config.repeats),
            seed=int(self._settings.get("sample_seed", 0)),
            model=model,
            largest_k=int(self._settings.get("pass_at", 0)),
            single=self._measures == "choice",
            task=task,
        )
        generation = normalise_generation(self.config.generation_kwargs or {})
        check_generation(generation, plan)
        stops = (*template.stop, *self._settings.get("stop", ()))
        generation["until"] += [stop for stop in stops if stop not in generation["until"]]
        if self._options.sample_seed is not None and model.kind == "other":
            logger.warning("%s: sample_seed has no effect on %s", task, model.name)
        return _Run(**vars(prompted), plan=plan, generation=generation)

    def construct_requests(self, doc: Any, ctx: Any, **kwargs: Any) -> list[Instance]:
        """One request that lm-eval repeats K times, or K requests with a seed each."""
        run = self._current_run()
        task, doc_id, _ = kwargs["metadata"]
        plan = run.plan

        def request(sample: int, repeats: int) -> Instance:
            generation = deepcopy(run.generation)
            seed = plan.request_seed(doc_id, sample)
            if seed is not None:
                generation["seed"] = seed
            return Instance(
                request_type="generate_until",
                doc=doc,
                arguments=(ctx, generation),
                idx=sample,
                metadata=(task, doc_id, repeats),
            )

        if plan.seeding == "repeats":
            return [request(0, plan.num_samples)]
        return [request(sample, 1) for sample in range(plan.num_samples)]

    def _all_prompts(self, asked: Asked) -> dict[int, Any]:
        """The prompts of all ranks by document: what is said of a run must not depend on the rank."""
        if asked.world_size == 1:
            return self.prompts()
        run, context = self._current_run(), asked.context
        chat = {name: context[name] for name in ("chat_template", "fewshot_as_multiturn") if name in context}
        return {
            doc_id: self.fewshot_context(
                doc, 0, system_instruction=run.system or None, apply_chat_template=run.chat_applied, **chat
            )
            for doc_id, doc in self.doc_iterator(limit=asked.limit, samples=asked.samples)
        }

    def _fit_requests(self, run: _Run, prompts: dict[int, Any]) -> None:
        """Apply what depends on the finished prompts: the first token, the context, the server's fields."""
        task = self.config.task
        user_set = "add_bos_token" in (self.config.metadata or {})
        run.beginning = beginning_text(next(iter(prompts.values())), run.model, user_set=user_set, task=task)
        if run.beginning:
            for instance in self._instances:
                instance.arguments = (run.beginning + instance.arguments[0], instance.arguments[1])
            prompts = {doc_id: run.beginning + prompt for doc_id, prompt in prompts.items()}
        run.fit = fit_context(prompts, run.generation["max_gen_toks"], run.model, task=task)
        if run.model.is_server or run.model.refuses_extras:
            longest = max(prompts, key=lambda doc_id: len(str(prompts[doc_id])))
            new_tokens = run.fit.shortened.get(longest, run.generation["max_gen_toks"])
            run.generation, run.left_out = accepted_generation(
                run.model, prompts[longest], run.generation, new_tokens
            )
            if run.left_out:
                logger.warning(
                    "%s: the server refuses %s; asked without, and the signature says so",
                    task, ", ".join(run.left_out),
                )  # fmt: skip
        for instance in self._instances:
            generation = instance.arguments[1]
            for name in run.left_out:
                generation.pop(name, None)
            if instance.doc_id in run.fit.shortened:
                generation["max_gen_toks"] = run.fit.shortened[instance.doc_id]

    def _current_run(self) -> _Run:
        if self._run is None:
            raise DiversityEvalError(f"{self.config.task}: build_all_requests() has to be called first")
        return self._run

    def _prompted_run(self) -> PromptedRun:
        return self._current_run()

    # ------------------------------------------------------------------ responses

    def responses(self) -> dict[int, list[str]]:
        """This rank's raw responses by document, in the order of their samples.

        Raises DiversityEvalError for a response that is no text.
        """
        raw: dict[int, list[str]] = defaultdict(list)
        for instance in sorted(self._instances, key=lambda instance: (instance.doc_id, instance.idx)):
            # On several ranks lm-eval pads the last request with further responses.
            instance.resps = instance.resps[: instance.repeats]
            if wrong := [text for text in instance.resps if not isinstance(text, str)]:
                raise DiversityEvalError(
                    f"{self.config.task}: document {instance.doc_id} got {wrong[0]!r} instead of a text"
                )
            raw[instance.doc_id] += instance.resps
        return raw

    def apply_filters(self) -> None:
        """Clean the responses of every document, check them as a whole, and score them.

        lm-eval's default filter keeps the first response and throws the others away.
        """
        run = self._current_run()
        raw = self.responses()
        if short := {
            doc_id: len(texts) for doc_id, texts in raw.items() if len(texts) != run.plan.num_samples
        }:
            doc_id, count = next(iter(short.items()))
            raise DiversityEvalError(
                f"{self.config.task}: document {doc_id} has {count} responses, not {run.plan.num_samples}"
            )
        temperature = float(run.generation.get("temperature", 0.0))
        if temperature > 0 and run.plan.num_samples > 1 and not self._options.allow_identical:
            check_not_identical(
                self, task=self.config.task, model=run.model, plan=run.plan, temperature=temperature
            )
        ends = [*run.generation["until"], *([run.model.end_text] if run.model.end_text else [])]
        cleaned: dict[int, list[str]] = defaultdict(list)
        for instance in self._instances:
            responses = [clean_response(text, ends) for text in instance.resps]
            instance.filtered_resps[_FILTER] = responses
            cleaned[instance.doc_id] += responses
        if "bypass" not in self._metric_fn_list:
            self._score_all(cleaned)

    def _score_all(self, cleaned: Mapping[int, list[str]]) -> None:
        """Metrics of every document, the judge's ratings of all of them at once."""
        documents = {instance.doc_id: instance.doc for instance in self._instances}
        prompts = [self._prompt_responses(documents[doc_id], texts) for doc_id, texts in cleaned.items()]
        self._scorer.score_all(prompts)
        if self._scorer.rater is not None:
            report_unscored(self.config.task, self._scorer.rater, self._scorer.unscored, self._scorer.rated)
        if self._novelty is not None:
            report_unknown(self.config.task, self._novelty, prompts)
        if self._measures == "coverage":
            rows = [self._scorer.score(prompt) for prompt in prompts]
            report_answers(self.config.task, Unverified.of_rows(rows))

    @property
    def _kind(self) -> str:
        return str(self._settings.get("kind", "instruction"))

    def _prompt_responses(self, doc: Any, responses: list[str]) -> PromptResponses:
        prompt_field = self._settings.get("prompt_field")
        prompt = str(doc[prompt_field]) if prompt_field else ""
        fields = self._fields
        return PromptResponses(
            tuple(responses), prompt, self._kind, fields.categories_of(doc),
            fields.reference_of(doc), fields.labels_of(doc),
        )  # fmt: skip

    def _check_prompt_field(self) -> None:
        prompt_field = self._settings.get("prompt_field")
        if self._options.judge is not None and not prompt_field:
            raise DiversityEvalError(
                f"{self.config.task}: a judge needs to know which field of a document it is shown as the "
                "prompt; add prompt_field: NAME under metadata.diversity_eval in the task's YAML"
            )
        if prompt_field and prompt_field not in self.eval_docs[0]:
            raise DiversityEvalError(
                f"{self.config.task}: its YAML says prompt_field: {prompt_field}, but the documents have "
                f"{', '.join(self.eval_docs[0])}"
            )

    def process_results(self, doc: Any, results: list[Any]) -> Mapping[str, Any]:
        """The metrics of one document's responses (a list per request, each with its responses)."""
        responses = [text for result in results for text in ([result] if isinstance(result, str) else result)]
        if "bypass" in self._metric_fn_list:  # lm-eval's --predict_only
            return {"bypass": responses}
        return self._scorer.score(self._prompt_responses(doc, responses))

    # ------------------------------------------------------------------ results

    def dump_config(self) -> dict[str, Any]:
        """The configuration for the results file, with signatures and what happened to the samples."""
        config: dict[str, Any] = super().dump_config()
        record = self._record_of_settings()
        if self._run is not None:
            fields = run_fields(self.config, self._run, self._provenance, self._picked)
            record |= run_record(self._run, self._options, self._provenance)
            record[RUN_FIELDS] = without_fresh(fields)
            record["signatures"] = self._scorer.reported.signatures(fields)
            if self._scorer.rater is not None:
                record["judge"] = self._scorer.rater.record()
            if self._novelty is not None:
                record["novelty_bench"] = self._novelty.metric.record()
        config["metadata"] = {**(config.get("metadata") or {}), "diversity_eval": record}
        return config
