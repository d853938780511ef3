"""The task class under lm-eval's own evaluator, with lm-eval's own models over real checkpoints."""

import json
import logging
import os
import statistics
from pathlib import Path
from typing import Any

import pytest
from lm_eval import simple_evaluate
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager

from diversity_eval.errors import DiversityEvalError
from diversity_eval.harness import messages
from diversity_eval.harness.model import EvaluatedModel
from diversity_eval.metrics import semantic
from diversity_eval.metrics.prompt_metrics import diversity_metrics
from diversity_eval.metrics.signature import Signature
from diversity_eval.prompting.delimiters import render_instruct
from diversity_eval.scoring import embeddings
from tests.conftest import build_checkpoint
from tests.harness.documents import QUESTIONS
from tests.harness.scripted import TASKS, ScriptedLM, evaluate, texts


def hf(folder: Path) -> HFLM:
    return HFLM(pretrained=str(folder), device="cpu", dtype="float32", batch_size=16)


@pytest.fixture(scope="module")
def base_lm(checkpoint: Path) -> HFLM:
    return hf(checkpoint)


def test_results_are_the_metrics_of_the_logged_responses(base_lm: HFLM) -> None:
    results = evaluate(base_lm, metadata={"num_samples": 4})
    samples = results["samples"]["own_instruct"]
    assert len(samples) == len(QUESTIONS)
    per_prompt = [diversity_metrics(texts(sample)) for sample in samples]
    for sample, expected in zip(samples, per_prompt, strict=True):
        assert len(texts(sample)) == 4
        assert {name: sample[name] for name in expected} == pytest.approx(expected)
        assert not any(name.endswith("_std") for name in sample)
    found = results["results"]["own_instruct"]
    for name in ("self_bleu", "distinct_1", "unique_fraction", "mean_words"):
        values = [metrics[name] for metrics in per_prompt]
        assert found[f"{name},none"] == pytest.approx(statistics.mean(values))
        assert found[f"{name}_std,none"] == pytest.approx(statistics.stdev(values))
        assert found[f"{name}_stderr,none"] == pytest.approx(statistics.stdev(values) / len(values) ** 0.5)


def test_samples_are_independent_and_prompted_whole(base_lm: HFLM) -> None:
    results = evaluate(base_lm)
    for sample, question in zip(results["samples"]["own_instruct"], QUESTIONS, strict=True):
        assert len(set(texts(sample, "resps"))) == 10
        assert sample["arguments"][0][0] == f"Answer in one line: {question}"
        assert sample["arguments"][0][1]["top_k"] == 0


def test_sample_seed_chooses_hf_s_stream(base_lm: HFLM) -> None:
    def responses(seed: int) -> list[list[str]]:
        results = evaluate(base_lm, metadata={"sample_seed": seed, "num_samples": 3}, limit=2)
        return [texts(sample) for sample in results["samples"]["own_instruct"]]

    assert responses(7) == responses(7) != responses(8)


def test_configuration_carries_a_signature_for_every_metric_and_what_happened(base_lm: HFLM) -> None:
    results = evaluate(base_lm, metadata={"auth_token": "hunter2"}, limit=3, gen_kwargs="temperature=0.5")
    config = results["configs"]["own_instruct"]
    record = config["metadata"]["diversity_eval"]
    names = {key.removesuffix(",none") for key in results["results"]["own_instruct"] if key.endswith(",none")}
    metrics = {name for name in names if not name.endswith(("_std", "_stderr")) and name != "undefined"}
    assert set(record["signatures"]) == metrics
    signature = Signature.parse(record["signatures"]["self_bleu"])
    fields = dict(signature.fields)
    assert signature.metric == "self_bleu"
    assert (fields["k"], fields["temperature"], fields["top_p"]) == ("10", "0.5", "0.9")
    assert fields["docs"] == "first 3 of 5"
    assert fields["prompt"] == "plain"
    assert (record["backend"], record["seeding"]) == ("hf", "repeats")
    assert "hunter2" not in json.dumps(config, default=str)


def test_the_papers_preset_changes_top_k_and_the_user_still_wins(base_lm: HFLM) -> None:
    def top_k(**kwargs: Any) -> Any:
        results = evaluate(base_lm, metadata={"preset": "paper_hf", "num_samples": 2}, limit=1, **kwargs)
        return results["samples"]["own_instruct"][0]["arguments"][0][1]["top_k"]

    assert top_k() == 50
    assert top_k(gen_kwargs="top_k=5") == 5


@pytest.mark.parametrize(
    ("kwargs", "metadata", "message"),
    [
        ({"gen_kwargs": "temperature=0"}, {}, "greedy"),
        ({"gen_kwargs": "do_sample=False"}, {}, "greedy"),
        ({"gen_kwargs": "seed=3"}, {}, "sample_seed"),
        ({}, {"num_samples": 1}, "at least 2"),
        ({}, {"sample_seeds": "always"}, "hf takes no seed"),
        ({"apply_chat_template": True}, {"prompt_template": "instruct"}, "choose one"),
        ({}, {"prompt_template": "missing.jinja"}, "missing.jinja"),
        ({"samples": {"own_instruct": [7]}}, {}, "0 to 4, not 7"),
        ({"apply_chat_template": True}, {}, "has no chat template"),
        ({"limit": 0}, {}, "leaves no document"),
    ],
)
def test_refused_before_anything_is_generated(
    base_lm: HFLM,
    monkeypatch: pytest.MonkeyPatch,
    kwargs: dict[str, Any],
    metadata: dict[str, Any],
    message: str,
) -> None:
    monkeypatch.setattr(base_lm, "generate_until", lambda requests: pytest.fail("it generated"))
    with pytest.raises(DiversityEvalError, match=message):
        evaluate(base_lm, metadata=metadata, **kwargs)


def test_a_backend_that_repeats_itself_is_an_error_that_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    lm = ScriptedLM(lambda i, prompt: f"always this about {prompt}")
    with pytest.raises(DiversityEvalError, match="same response 10 times for 5 of 5 prompts") as caught:
        evaluate(lm)
    assert "allow_identical" in str(caught.value)
    (saved,) = tmp_path.glob("*.jsonl")
    assert str(saved) in str(caught.value)
    rows = [json.loads(line) for line in saved.read_text(encoding="utf-8").splitlines()]
    assert [len(row["responses"]) for row in rows] == [10] * 5


def test_identical_responses_are_scored_if_asked_for() -> None:
    results = evaluate(ScriptedLM(lambda i, prompt: "always this"), metadata={"allow_identical": True})
    found = results["results"]["own_instruct"]
    assert found["unique_fraction,none"] == pytest.approx(0.1)
    assert found["self_bleu,none"] == pytest.approx(100.0)


def test_empty_responses_are_named_as_the_cause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DiversityEvalError, match="responses are empty"):
        evaluate(ScriptedLM(lambda i, prompt: " "))


def test_a_few_repeating_prompts_are_no_error() -> None:
    lm = ScriptedLM(
        lambda i, prompt: "same" if "floats" in prompt or "lamp" in prompt else f"number {i} word"
    )
    results = evaluate(lm)
    assert results["results"]["own_instruct"]["unique_fraction,none"] == pytest.approx((2 * 0.1 + 3) / 5)


def test_values_that_do_not_exist_are_left_out_and_counted() -> None:
    # One-word responses have no word pairs, so distinct_2 does not exist for two of five prompts.
    lm = ScriptedLM(lambda i, prompt: f"w{i}" if "floats" in prompt or "lamp" in prompt else f"a b{i} c{i}")
    results = evaluate(lm)
    found, samples = results["results"]["own_instruct"], results["samples"]["own_instruct"]
    with_value = [sample["distinct_2"] for sample in samples if "distinct_2" in sample]
    assert len(with_value) == 3
    assert found["distinct_2,none"] == pytest.approx(statistics.mean(with_value))
    assert found["undefined,none"] == 2


def test_responses_are_cleaned_before_they_are_scored_and_kept_raw_in_the_log() -> None:
    lm = ScriptedLM(lambda i, prompt: f" word{i} here\nNext: something else")
    (sample, *_) = evaluate(lm, task="own_base")["samples"]["own_base"]
    assert texts(sample)[0] == "word0 here"
    assert texts(sample, "resps")[0] == " word0 here\nNext: something else"
    assert lm.seen[0][1]["until"] == ["\nNext:"]


def test_the_projects_own_chat_template_is_recognised(own_chat_checkpoint: Path) -> None:
    results = evaluate(hf(own_chat_checkpoint), limit=1)
    (sample,) = results["samples"]["own_instruct"]
    prompt, generation = sample["arguments"][0]
    assert prompt == "<s>" + render_instruct(f"Answer in one line: {QUESTIONS[0]}")
    assert generation["until"] == ["<|/response|>"]
    assert results["configs"]["own_instruct"]["metadata"]["diversity_eval"]["prompt_template"].startswith(
        "chat@"
    )


def test_auto_prompts_an_own_checkpoint_as_the_flag_does(own_chat_checkpoint: Path) -> None:
    def prompt(**kwargs: Any) -> Any:
        results = evaluate(hf(own_chat_checkpoint), limit=1, **kwargs)
        return results["samples"]["own_instruct"][0]["arguments"][0][0]

    assert prompt() == prompt(apply_chat_template=True)


def test_a_chat_template_that_is_not_applied_is_said_once_loudly(
    chat_checkpoint: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(messages, "_said", set())
    monkeypatch.setattr(logging.getLogger("lm_eval"), "propagate", True)
    lm = hf(chat_checkpoint)
    for _ in range(2):
        evaluate(lm, limit=1)
    said = [record.getMessage() for record in caplog.records if "NOT BEING APPLIED" in record.getMessage()]
    assert len(said) == 1
    assert "--apply_chat_template" in said[0]
    caplog.clear()
    evaluate(lm, limit=1, apply_chat_template=True)
    evaluate(lm, limit=1, metadata={"prompt_template": "plain"})
    assert "NOT BEING APPLIED" not in caplog.text


def test_chat_template_of_the_checkpoint_is_applied_with_the_flag(chat_checkpoint: Path) -> None:
    results = evaluate(hf(chat_checkpoint), limit=1, apply_chat_template=True, system_instruction="Be kind.")
    prompt = results["samples"]["own_instruct"][0]["arguments"][0][0]
    assert prompt == f"<s>[system] Be kind.\n[user] Answer in one line: {QUESTIONS[0]}\n[assistant] "


@pytest.mark.parametrize(
    ("kwargs", "metadata"),
    [({"apply_chat_template": True}, {}), ({}, {"prompt_template": "instruct"})],
)
def test_base_tasks_take_no_template(base_lm: HFLM, kwargs: dict[str, Any], metadata: dict[str, Any]) -> None:
    with pytest.raises(DiversityEvalError, match="base checkpoint"):
        evaluate(base_lm, task="own_base", metadata=metadata, **kwargs)


def test_a_user_s_template_file(base_lm: HFLM, tmp_path: Path) -> None:
    path = tmp_path / "mine.jinja"
    path.write_text("Q: {{ doc.question }} / {{ instruction }} A:", encoding="utf-8")
    results = evaluate(base_lm, metadata={"prompt_template": str(path)}, limit=1)
    prompt = results["samples"]["own_instruct"][0]["arguments"][0][0]
    assert prompt == f"Q: {QUESTIONS[0]} / Answer in one line: {QUESTIONS[0]} A:"


def test_new_tokens_give_way_to_the_prompt(tmp_path: Path) -> None:
    lm = hf(build_checkpoint(tmp_path, context=48))
    results = evaluate(lm, metadata={"num_samples": 2}, gen_kwargs="max_gen_toks=40")
    record = results["configs"]["own_instruct"]["metadata"]["diversity_eval"]
    shortened = {int(key): value for key, value in record["documents_with_fewer_new_tokens"].items()}
    for sample in results["samples"]["own_instruct"]:
        prompt, generation = sample["arguments"][0]
        length = len(lm.tokenizer(prompt).input_ids)
        assert generation["max_gen_toks"] == min(40, 48 - length)
        assert shortened.get(sample["doc_id"], 40) == generation["max_gen_toks"]
    assert shortened
    assert f"shortened:{len(shortened)}" in record["signatures"]["self_bleu"]


def test_a_prompt_that_fills_the_context_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DiversityEvalError, match="fill the model's context of 16 tokens"):
        evaluate(hf(build_checkpoint(tmp_path, context=16)))


def test_documents_asked_for_out_of_order_keep_their_own_numbers(base_lm: HFLM) -> None:
    results = evaluate(base_lm, metadata={"num_samples": 2}, samples={"own_instruct": [3, 0]})
    samples = results["samples"]["own_instruct"]
    assert [(sample["doc_id"], sample["doc"]["id"]) for sample in samples] == [(3, "q3"), (0, "q0")]


def test_predict_only_keeps_the_responses(base_lm: HFLM) -> None:
    results = evaluate(base_lm, metadata={"num_samples": 3}, limit=1, predict_only=True)
    (sample,) = results["samples"]["own_instruct"]
    assert len(texts(sample)) == 3
    assert "self_bleu,none" not in results["results"]["own_instruct"]


def test_a_request_cache_that_knows_no_k_is_not_used(base_lm: HFLM) -> None:
    for count in (3, 2):
        results = evaluate(base_lm, metadata={"num_samples": count}, limit=1, cache_requests=True)
        assert len(texts(results["samples"]["own_instruct"][0])) == count


def test_without_lm_eval_around_it_the_task_says_what_is_missing() -> None:
    manager = TaskManager(include_path=TASKS, include_defaults=False, metadata={})
    task = manager.load(["own_instruct"])["tasks"]["own_instruct"]
    with pytest.raises(DiversityEvalError, match="attach_model"):
        task.build_all_requests()


def test_more_ranks_than_documents_is_refused() -> None:
    manager = TaskManager(include_path=TASKS, include_defaults=False, metadata={})
    task = manager.load(["own_instruct"])["tasks"]["own_instruct"]
    task.attach_model(ScriptedLM(lambda i, prompt: ""))
    with pytest.raises(DiversityEvalError, match="1 documents for 2 ranks"):
        task.build_all_requests(limit=1, rank=1, world_size=2)


def test_sampling_settings_hidden_in_the_checkpoint_are_told(
    checkpoint: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("lm_eval"), "propagate", True)
    lm = hf(checkpoint)
    lm.model.generation_config.no_repeat_ngram_size = 2
    lm.model.generation_config.top_k = 3  # the tasks set this one themselves
    results = evaluate(lm, limit=1)
    assert "no_repeat_ngram_size=2" in caplog.text
    assert "top_k=3" not in caplog.text
    signatures = results["configs"]["own_instruct"]["metadata"]["diversity_eval"]["signatures"]
    assert dict(Signature.parse(signatures["self_bleu"]).fields)["checkpoint.no_repeat_ngram_size"] == "2"


def test_a_tokenizer_that_leaves_out_its_own_first_token_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tokenizers import processors

    monkeypatch.setattr(messages, "_said", set())
    monkeypatch.setattr(logging.getLogger("lm_eval"), "propagate", True)
    lm = hf(build_checkpoint(tmp_path))
    evaluate(lm, limit=1)
    assert "beginning-of-sequence" not in caplog.text
    lm.tokenizer.backend_tokenizer.post_processor = processors.ByteLevel()
    for _ in range(2):
        evaluate(lm, limit=1)
    said = [record for record in caplog.records if "puts none before the prompt" in record.getMessage()]
    assert len(said) == 1


def test_vendi_score_is_that_of_the_responses_own_embeddings() -> None:
    if not semantic.available():
        if os.environ.get("CI") == "true":
            pytest.fail("the extra `semantic` is part of the test environment")
        pytest.skip("needs the extra `semantic`")
    lm = ScriptedLM(lambda i, prompt: f"{prompt} {['A boat.', 'A duck.', 'The moon.'][i % 3]}")
    results = evaluate(lm, metadata={"embeddings": "minilm", "num_samples": 3})
    samples = results["samples"]["own_instruct"]
    embedder = semantic.load_embedder()
    for sample in samples:
        expected = semantic.vendi_score(embedder.embed(texts(sample)))
        assert sample["vendi_score"] == pytest.approx(expected, rel=1e-4)
        assert 1 < sample["vendi_score"] < 3
    signatures = results["configs"]["own_instruct"]["metadata"]["diversity_eval"]["signatures"]
    assert "vendi_score" in signatures


def test_embeddings_that_were_asked_for_and_cannot_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(semantic, "available", lambda: False)
    with pytest.raises(DiversityEvalError, match=r"diversity-eval\[semantic\]"):
        evaluate(ScriptedLM(lambda i, prompt: f"w{i}"), metadata={"embeddings": "minilm"})
    found = evaluate(ScriptedLM(lambda i, prompt: f"w{i}"), metadata={"embeddings": "auto"})["results"]
    assert "vendi_score,none" not in found["own_instruct"]


def test_a_stop_string_of_the_user_s_is_in_the_signature() -> None:
    lm = ScriptedLM(lambda i, prompt: f"word{i} END rest")
    results = evaluate(lm, gen_kwargs={"until": ["END"]})
    assert texts(results["samples"]["own_instruct"][0])[0] == "word0"
    signature = results["configs"]["own_instruct"]["metadata"]["diversity_eval"]["signatures"]["self_bleu"]
    assert "until" in dict(Signature.parse(signature).fields)


def test_the_checkpoint_s_own_number_of_new_tokens_does_not_win(checkpoint: Path) -> None:
    lm = hf(checkpoint)
    lm.model.generation_config.max_new_tokens = 60
    results = evaluate(lm, metadata={"num_samples": 2}, limit=2)
    for sample in results["samples"]["own_instruct"]:
        for text in texts(sample, "resps"):
            # Decoding and encoding again may split a token of 12 in two, but not make 60 of them.
            assert len(lm.tokenizer(text, add_special_tokens=False).input_ids) < 40


def test_neutral_settings_of_the_checkpoint_are_no_news(
    checkpoint: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("lm_eval"), "propagate", True)
    lm = hf(checkpoint)
    lm.model.generation_config.num_beams = 1
    lm.model.generation_config.typical_p = 1.0
    evaluate(lm, limit=1)
    assert "generation_config" not in caplog.text


def test_one_of_several_named_chat_templates_counts_as_one(
    chat_checkpoint: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(messages, "_said", set())
    monkeypatch.setattr(logging.getLogger("lm_eval"), "propagate", True)
    lm = hf(chat_checkpoint)
    lm.tokenizer.chat_template = {"default": lm.tokenizer.chat_template, "tool_use": "x"}
    evaluate(lm, limit=1)
    assert "NOT BEING APPLIED" in caplog.text


def test_a_system_message_that_the_template_drops_is_refused(tmp_path: Path) -> None:
    template = (
        "{% if messages[0].role == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
        "{% for m in messages %}{{ m.content }}{% endfor %}"
    )
    lm = hf(build_checkpoint(tmp_path, template=template))
    evaluate(lm, limit=1, apply_chat_template=True)
    with pytest.raises(DiversityEvalError, match="system instruction would be dropped"):
        evaluate(lm, limit=1, apply_chat_template=True, system_instruction="Be kind.")


def test_an_embedding_model_that_does_not_load_costs_no_run(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> Any:
        raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.setattr(messages, "_said", set())
    monkeypatch.setattr(logging.getLogger("lm_eval"), "propagate", True)
    monkeypatch.setattr(semantic, "available", lambda: True)
    monkeypatch.setattr(embeddings, "_embedder", broken)
    found = evaluate(ScriptedLM(lambda i, prompt: f"w{i}"), metadata={"embeddings": "auto"})["results"]
    assert "self_bleu,none" in found["own_instruct"]
    assert "vendi_score,none" not in found["own_instruct"]
    assert "vendi_score is left out" in caplog.text
    lm = ScriptedLM(lambda i, prompt: pytest.fail("it generated"))
    with pytest.raises(DiversityEvalError, match="does not load"):
        evaluate(lm, metadata={"embeddings": "minilm"})


def test_an_error_in_one_task_saves_the_responses_of_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    lm = ScriptedLM(lambda i, prompt: "same" if prompt.startswith("Answer") else f"other {i}")
    manager = TaskManager(include_path=TASKS, include_defaults=False, metadata={"embeddings": "none"})
    with pytest.raises(DiversityEvalError, match="own_instruct"):
        simple_evaluate(model=lm, tasks=["own_instruct", "own_base"], task_manager=manager)
    saved = {path.name.split("_2")[0]: path for path in tmp_path.glob("*.jsonl")}
    assert set(saved) == {"identical_own_instruct", "identical_own_base"}
    rows = [json.loads(line) for line in saved["identical_own_base"].read_text("utf-8").splitlines()]
    assert [len(row["responses"]) for row in rows] == [10] * len(QUESTIONS)


def test_a_backend_that_returns_no_text_is_named() -> None:
    lm: Any = ScriptedLM(lambda i, prompt: None)  # type: ignore[arg-type,return-value]
    with pytest.raises(DiversityEvalError, match="got None instead of a text"):
        evaluate(lm)


def test_the_reference_ids_are_those_of_hf_whatever_add_bos_token_says(tmp_path: Path) -> None:
    """Also for a tokenizer without a rule for its first token, as Gemma's can be."""
    from tokenizers import processors
    from transformers import AutoTokenizer

    bare = build_checkpoint(tmp_path / "bare")
    tokenizer = AutoTokenizer.from_pretrained(bare)
    tokenizer.backend_tokenizer.post_processor = processors.ByteLevel()
    tokenizer.save_pretrained(bare)
    for folder in (build_checkpoint(tmp_path / "usual"), bare):
        for setting in (None, True, False):
            lm = HFLM(pretrained=str(folder), device="cpu", dtype="float32", add_bos_token=setting)
            model = EvaluatedModel(lm)
            for prompt in ("What floats?", "<s>What floats?"):
                reference = EvaluatedModel(hf(folder)).reference_token_ids(prompt, setting)
                assert model.token_ids(prompt) == reference, (folder.name, setting, prompt)
