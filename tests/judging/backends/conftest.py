"""Small real checkpoints as judges, and rendered prompts for them."""

from pathlib import Path
from typing import Any

import pytest

from diversity_eval.judging.config import JudgeConfig, load_judge
from diversity_eval.judging.rubric import load_rubric

TEXTS = (
    "The boat went out at dawn.",
    "Nobody knew who had drawn the map, but every child in the village wanted to see it again and again.",
    "",
    "x " * 40,
    "An old map came back. What would you do with it? I would follow it to the end of the world.",
)


def judge(folder: Path, model: Path | str, **settings: object) -> JudgeConfig:
    """A judge from a YAML in `folder`."""
    import yaml

    path = folder / "judge.yaml"
    values = {"backend": "transformers", "model": str(model), "dtype": "float32", **settings}
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    return load_judge(str(path))


@pytest.fixture(scope="session")
def prompts() -> list[str]:
    """Prompts as a judge gets them: two instructions, several responses each."""
    rubric = load_rubric("instruction")
    asked = ("What would you do with such a map?", "Tell the village about the boat that went out at dawn.")
    return [rubric.render(prompt, response, lowest=0, highest=5) for prompt in asked for response in TEXTS]


@pytest.fixture(scope="session")
def sliding_checkpoint(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained Gemma 3 whose layers see 24 tokens back, every third one all of them."""
    import torch
    from transformers import AutoTokenizer, Gemma3ForCausalLM, Gemma3TextConfig

    folder = tmp_path_factory.mktemp("sliding")
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = Gemma3TextConfig(
            vocab_size=len(tokenizer), hidden_size=64, intermediate_size=128, num_hidden_layers=6,
            head_dim=16, num_attention_heads=4, num_key_value_heads=2, sliding_window=24,
            max_position_embeddings=4096,
            layer_types=["sliding_attention", "sliding_attention", "full_attention"] * 2,
            bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id, initializer_range=0.3,
        )  # fmt: skip
        model = Gemma3ForCausalLM(config)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def long_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained Llama with room for the rubrics."""
    from tests.conftest import build_checkpoint

    return build_checkpoint(tmp_path_factory.mktemp("long"), context=8192)


@pytest.fixture(scope="session")
def chat_judge_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with a chat template that has control tokens."""
    from tests.conftest import build_checkpoint

    template = (
        "{{ bos_token }}{% for m in messages %}<s>{{ m.role }}\n{{ m.content | trim }}</s>\n{% endfor %}"
        "{% if add_generation_prompt %}<s>assistant\n{% endif %}"
    )
    return build_checkpoint(tmp_path_factory.mktemp("chat_judge"), context=8192, template=template)


WORDS = ("old", "it")
"""Each is one token of the tests' tokenizer, with a space in front another one."""


def build_word_judge(folder: Path, template: str = "") -> Path:
    """An untrained Llama that writes one of `WORDS`, with or without a space before it, and stops.

    Dimension 0 of all embeddings is 1, dimension 1 is for the words alone; nothing writes to them. The head
    gives the words by the first and what is in the others, the end token by the second.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from tests.conftest import build_checkpoint

    build_checkpoint(folder, context=8192, template=template)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    tokens = word_tokens(tokenizer)
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        embeddings = model.model.embed_tokens.weight
        embeddings.mul_(10)
        attention = model.model.layers[0].self_attn
        for projection in (attention.q_proj, attention.k_proj, attention.v_proj, attention.o_proj):
            projection.weight.mul_(10)
        embeddings[:, 0] = 1.0
        embeddings[:, 1] = 0.0
        embeddings[tokens, 1] = 10.0
        for writer in (attention.o_proj, model.model.layers[0].mlp.down_proj):
            writer.weight[:2] = 0.0
        head = torch.zeros_like(embeddings)
        head[tokens] = torch.randn(len(tokens), head.shape[1])
        head[tokens, 0], head[tokens, 1] = 20.0, 0.0
        head[tokenizer.eos_token_id, 1] = 50.0
    model.config.tie_word_embeddings = False
    model.lm_head.weight = torch.nn.Parameter(head)
    model.save_pretrained(folder)
    return folder


def word_tokens(tokenizer: Any) -> list[int]:
    """The tokens of `WORDS`, each without and with a space."""
    pieces = [tokenizer.tokenize(f"{space}{word}") for word in WORDS for space in ("", " ")]
    assert all(len(piece) == 1 for piece in pieces)
    return [int(tokenizer.convert_tokens_to_ids(piece[0])) for piece in pieces]


@pytest.fixture(scope="session")
def word_judge_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base checkpoint that answers with one word."""
    return build_word_judge(tmp_path_factory.mktemp("word_judge"))


@pytest.fixture(scope="session")
def chat_word_judge_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with a chat template."""
    template = "{{ bos_token }}[user] {{ messages[0].content | trim }}\n[assistant]\n"
    return build_word_judge(tmp_path_factory.mktemp("chat_word_judge"), template)


@pytest.fixture(scope="session")
def word_prompts() -> list[str]:
    """Prompts that ask for one of `WORDS`."""
    rubric = load_rubric("harm_words")
    asked = ("What would you do with such a map?", "Tell the village about the boat that went out at dawn.")
    return [
        rubric.render(prompt, response, lowest=0, highest=1, words=WORDS)
        for prompt in asked
        for response in TEXTS
    ]
