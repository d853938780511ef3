"""A base, the same in NF4, and an adapter."""

from pathlib import Path

import pytest

from diversity_eval.training.checkpoints import QuantizeReport, quantize
from tests.training.checkpoints.adapters import build_adapter


@pytest.fixture(scope="session")
def quantised(
    own_chat_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, QuantizeReport]:
    """The base in NF4, and what was said of it."""
    folder = tmp_path_factory.mktemp("quantised") / "base-nf4"
    return folder, quantize(str(own_chat_checkpoint), folder)


@pytest.fixture(scope="session")
def adapter(own_chat_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter on the base, without any record of its training."""
    return build_adapter(own_chat_checkpoint, tmp_path_factory.mktemp("adapter"))


@pytest.fixture
def gpt2(own_chat_checkpoint: Path, tmp_path: Path) -> Path:
    """One of its matrices is square, so that its orientation cannot be read off its shape."""
    from transformers import AutoTokenizer, GPT2Config, GPT2LMHeadModel

    tokenizer = AutoTokenizer.from_pretrained(own_chat_checkpoint)
    GPT2LMHeadModel(
        GPT2Config(vocab_size=len(tokenizer), n_embd=64, n_layer=1, n_head=1, n_positions=256)
    ).save_pretrained(tmp_path / "gpt2")
    tokenizer.save_pretrained(tmp_path / "gpt2")
    return tmp_path / "gpt2"
