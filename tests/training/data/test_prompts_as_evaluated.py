"""What precedes a response in training is what lm-eval sends to the trained checkpoint, id for id."""

import functools
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lm_eval import simple_evaluate
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager
from transformers import AutoTokenizer

from diversity_eval.harness.model import EvaluatedModel
from diversity_eval.harness.templates import choose_template, render_chat
from diversity_eval.training.data import prepare_tokenizer
from diversity_eval.training.data.conversation import Conversation, Message
from diversity_eval.training.data.encoding import IGNORED, Encoder
from diversity_eval.training.settings import TrainSettings
from tests.harness.documents import QUESTIONS
from tests.training.data.tokenizers import KINDS, build, checkpoint_with

TASKS = str(Path(__file__).parents[2] / "harness" / "tasks")


class Watched(HFLM):  # type: ignore[misc]  # lm-eval ships no types
    """lm-eval's own model, which notes the ids that reach the network."""

    def _model_generate(self, context: Any, max_length: int, stop: list[str], **kwargs: Any) -> Any:
        rows = zip(context.tolist(), kwargs["attention_mask"].tolist(), strict=True)
        self.sent += [[i for i, seen in zip(ids, mask, strict=True) if seen] for ids, mask in rows]
        return super()._model_generate(context, max_length, stop, **kwargs)


def encoder(tokenizer: Any, **kwargs: Any) -> Encoder:
    return Encoder(prepare_tokenizer(tokenizer, TrainSettings(**kwargs)), 100_000, "truncate")


def prompt_ids(encode: Encoder, prompt: str, system: str = "") -> list[int]:
    turns = [Message("system", system)] if system else []
    row = Conversation(1, (*turns, Message("user", prompt), Message("assistant", "x")))
    encode.check(row)
    (encoding,) = encode.encode([row])
    return encoding.input_ids[: [label == IGNORED for label in encoding.labels].index(False)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("trained")


@functools.cache
def trained(folder: Path, kind: str, special: bool) -> tuple[Encoder, Any]:
    """An encoder, and lm-eval's model over a checkpoint that carries the encoder's tokenizer."""
    tokenizer = build(kind)
    encode = encoder(tokenizer, special_delimiters=special)
    checkpoint = checkpoint_with(tokenizer, folder / f"{kind}, {special}")
    return encode, Watched(pretrained=str(checkpoint), device="cpu", dtype="float32", batch_size=4)


@pytest.mark.parametrize("special", [False, True])
@pytest.mark.parametrize("kind", ["byte level", "metaspace, adds no first token", *list(KINDS)[2:4]])
def test_the_ids_that_reach_the_model(
    folder: Path, kind: str, special: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It lists the installed packages, which takes seconds.
    monkeypatch.setattr("lm_eval.evaluator.add_env_info", lambda results: None)
    encode, lm = trained(folder, kind, special)
    wanted = {tuple(prompt_ids(encode, f"Answer in one line: {question}")) for question in QUESTIONS}
    for applied in (False, True):
        lm.sent = []
        manager = TaskManager(
            include_path=TASKS, include_defaults=False, metadata={"embeddings": "none", "num_samples": 2}
        )
        simple_evaluate(
            model=lm,
            tasks=["own_instruct"],
            task_manager=manager,
            bootstrap_iters=0,
            apply_chat_template=applied,
        )
        assert len(lm.sent) == 2 * len(QUESTIONS)
        assert {tuple(ids) for ids in lm.sent} == wanted


LETTERS = st.characters(exclude_categories=["Cs"])
PROMPTS = st.text(LETTERS | st.sampled_from("aeb<|/> \n\t"), min_size=1, max_size=40).filter(str.strip)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(prompt=PROMPTS, system=st.just("") | PROMPTS)
def test_any_prompt(folder: Path, kind: str, prompt: str, system: str) -> None:
    encode, lm = trained(folder, kind, False)
    model = EvaluatedModel(lm)
    _, rendered_here = choose_template("auto", model, base=False, chat_applied=False, task="t")
    assert rendered_here
    text = render_chat(model, prompt, system)
    ids = prompt_ids(encode, prompt, system)
    assert model.token_ids(text) == ids
    assert lm.tok_encode(text) == ids


@pytest.mark.parametrize("kind", KINDS)
def test_the_saved_tokenizer_encodes_alike(folder: Path, kind: str) -> None:
    encode, _ = trained(folder, kind, False)
    saved = encoder(AutoTokenizer.from_pretrained(folder / f"{kind}, False"))
    for prompt in (*QUESTIONS, " a\n\n", "é 😀\x00"):
        assert prompt_ids(saved, prompt, "Be kind.") == prompt_ids(encode, prompt, "Be kind.")
