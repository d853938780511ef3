"""Small real checkpoints as judges, and rendered prompts for them."""

from pathlib import Path

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
