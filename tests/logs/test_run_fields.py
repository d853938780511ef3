from typing import Any

import pytest

from diversity_eval.errors import DiversityEvalError
from diversity_eval.logs.run_fields import fields_of_log, prompts_digest, recorded_fields
from diversity_eval.metrics.signature import Signature
from diversity_eval.scoring.reported import Reported

RUN = {"task": "t@1", "docs": "all 3", "k": "4", "temperature": "1", "odd": "a|b:%\u2028", "version": "0.0.9"}
KEPT = {key: value for key, value in RUN.items() if key not in ("k", "version")}
JUDGE = {"judge": "m", "judge_revision": "r", "judge_mode": "rate", "rubric": "story@1", "scale": "0-5"}


def test_a_run_s_fields_come_back_out_of_its_signatures() -> None:
    signatures = Reported(embeddings=True, judge=JUDGE).signatures(RUN)
    assert recorded_fields(signatures) == KEPT
    for metric, signature in signatures.items():  # any single one is enough
        assert recorded_fields({metric: signature}) == KEPT, metric


def test_a_run_s_field_that_is_called_like_a_metric_s_is_kept() -> None:
    run = {**RUN, "tokenizer": "own"}
    signatures = {name: str(Signature(name, run)) for name in ("self_bleu", "mean_words")}
    assert recorded_fields(signatures) == {**KEPT, "tokenizer": "own"}


def test_signatures_of_unknown_metrics_tell_nothing() -> None:
    assert recorded_fields({}) is None
    assert recorded_fields({"later": str(Signature("later", RUN))}) is None
    assert (
        recorded_fields(
            {"later": str(Signature("later", RUN)), "mean_words": str(Signature("mean_words", RUN))}
        )
        == KEPT
    )
    with pytest.raises(DiversityEvalError, match="is no signature"):
        recorded_fields({"mean_words": "mean_words|broken"})


def test_the_digest_is_that_of_the_prompts_in_their_order() -> None:
    assert prompts_digest(["a", "b"]) != prompts_digest(["b", "a"]) != prompts_digest(["ab"])
    assert prompts_digest(["\ud800"]) != prompts_digest(["\\ud800"])
    assert len(prompts_digest([])) == 12


@pytest.mark.parametrize(
    ("results", "docs"),
    [
        ({}, "2 of unknown"),
        ({"n-samples": {"t": {"original": 2}}}, "all 2"),
        ({"n-samples": {"t": {"original": 9}}, "config": {"limit": 2.0}}, "first 2 of 9"),
        ({"n-samples": {"t": {"original": 9}}, "config": {"limit": None}}, "2 of 9"),
    ],
)
def test_which_documents_a_foreign_log_holds(results: dict[str, Any], docs: str) -> None:
    assert fields_of_log("t", ["p", "q"], [], results)["docs"] == docs


def test_what_a_foreign_log_says_of_its_sampling() -> None:
    settings = [
        {"temperature": 0.8, "do_sample": True, "max_gen_toks": 6, "until": ["\n"], "seed": 1, "bad name": 1},
        {"temperature": 0.8, "do_sample": True, "max_gen_toks": 5, "until": ["\n"], "seed": 2},
    ]
    results = {"versions": {"t": 2.0}, "lm_eval_version": "0.4.13", "system_instruction": "Be brief."}
    fields = fields_of_log("t", ["p"], settings, results)
    assert (fields["temperature"], fields["do_sample"], fields["max_new_tokens"]) == ("0.8", "yes", "varies")
    assert (fields["top_p"], fields["top_k"], fields["prompt"]) == ("unknown",) * 3
    assert (fields["task"], fields["lm_eval"]) == ("t@2.0", "0.4.13")
    assert len(fields["system"]) == len(fields["until"]) == 12
    assert "seed" not in fields
    Signature("self_bleu", fields)  # can be written
