"""What several folders of tests need: real data, and a real but untrained checkpoint."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

from diversity_eval.prompting.delimiters import chat_template

# How long an example takes depends on what else the machine does.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")

WORDS = (
    "The small boat went out at dawn and came back with an old map. Nobody knew who had drawn it, but every "
    "child in the village wanted to see it. What would you do with such a map? Answer: I would follow it."
)


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder with the real benchmark files; its absence is a failure in CI."""
    value = os.environ.get("DIVERSITY_EVAL_DATA")
    if value and Path(value).is_dir():
        return Path(value)
    reason = f"needs the benchmarks' files: DIVERSITY_EVAL_DATA is {value!r}, expected a folder"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def build_checkpoint(
    folder: Path, *, context: int = 1024, own_template: bool = False, template: str = ""
) -> Path:
    """A Llama of a few thousand weights, untrained, whose tokenizer adds a beginning-of-sequence token."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<s>", "</s>", "<pad>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator([WORDS], trainer)
    bpe.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", bpe.token_to_id("<s>"))]
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bpe, bos_token="<s>", eos_token="</s>", pad_token="<pad>"
    )
    tokenizer.chat_template = chat_template() if own_template else template or None
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=1,
        num_attention_heads=1,
        num_key_value_heads=1,
        max_position_embeddings=context,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        tie_word_embeddings=True,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = LlamaForCausalLM(config)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def build_judge(folder: Path) -> Path:
    """An untrained Llama that writes digits, which one depending on what it reads; room for the rubrics.

    Dimension 0 of all embeddings is 1, and the digits' rows of the head, and theirs alone, look at it.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    template = (
        "{{ bos_token }}{% for m in messages %}[{{ m.role }}] {{ m.content | trim }}"
        "{% if not loop.last %}\n{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}\n[assistant] {% endif %}"
    )
    build_checkpoint(folder, context=8192, template=template)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    digits = [tokenizer.convert_tokens_to_ids(str(digit)) for digit in range(6)]
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        model.model.embed_tokens.weight.mul_(10)
        for projection in ("q_proj", "k_proj", "v_proj", "o_proj"):
            getattr(model.model.layers[0].self_attn, projection).weight.mul_(10)
        model.model.embed_tokens.weight[:, 0] = 1.0
        for writer in (model.model.layers[0].self_attn.o_proj, model.model.layers[0].mlp.down_proj):
            writer.weight[0] = 0.0
        head = torch.zeros_like(model.model.embed_tokens.weight)
        head[digits] = torch.randn(6, head.shape[1]) * 0.8
        head[digits, 0] = 20.0
    model.config.tie_word_embeddings = False
    model.lm_head.weight = torch.nn.Parameter(head)
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base checkpoint: no chat template, a context of 1,024 tokens."""
    return build_checkpoint(tmp_path_factory.mktemp("checkpoint"))


@pytest.fixture(scope="session")
def own_chat_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint that carries this project's chat template."""
    return build_checkpoint(tmp_path_factory.mktemp("own_chat"), own_template=True)


@pytest.fixture(scope="session")
def chat_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint with a chat template of somebody else's."""
    template = (
        "{{ bos_token }}{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}[assistant] "
    )
    return build_checkpoint(tmp_path_factory.mktemp("chat"), template=template)


@pytest.fixture(scope="session")
def judge_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A judge that always gives some rating."""
    return build_judge(tmp_path_factory.mktemp("judge"))
