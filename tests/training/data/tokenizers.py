"""Small tokenizers of the kinds that differ at the bound between prompt and response."""

from pathlib import Path
from typing import Any

from tests.conftest import WORDS, build_checkpoint

__all__ = ["KINDS", "build", "byte_level", "checkpoint_with", "metaspace"]

SPECIAL = ["<s>", "</s>", "<pad>", "<unk>"]
# The delimiters' pieces, so that a unigram model has every character it needs.
TEXTS = [
    WORDS,
    "<|instruct|>\n<|/instruct|>\n<|input|>\n<|/input|>\n<|response|>\n<|/response|>",
    "0123456789",
]


def byte_level(*, adds_begin: bool, begin: str | None = "<s>") -> Any:
    """As GPT-2 and Llama 3. `adds_begin` says whether it puts the first token before every text by itself."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=SPECIAL[:3],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(TEXTS, trainer)
    if adds_begin:
        bpe.post_processor = _begin(bpe, processors)
    return _fast(bpe, bos_token=begin, eos_token="</s>", pad_token="<pad>")


def metaspace(*, adds_begin: bool, prepend: str = "first") -> Any:
    """As Llama 2 and Gemma: spaces are letters, and one may be put before the text (`prepend`)."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    bpe = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True))
    # Not split, so that merges may reach over line ends, as they may in SentencePiece's models.
    bpe.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=prepend, split=False)
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    if prepend != "never":
        steps.append(decoders.Strip(" ", 1, 0))
    bpe.decoder = decoders.Sequence(steps)
    trainer = trainers.BpeTrainer(
        vocab_size=700,
        special_tokens=[*SPECIAL, *(f"<0x{byte:02X}>" for byte in range(256))],
        show_progress=False,
    )
    bpe.train_from_iterator(TEXTS, trainer)
    if adds_begin:
        bpe.post_processor = _begin(bpe, processors)
    return _fast(bpe, bos_token="<s>", eos_token="</s>", pad_token="<pad>", unk_token="<unk>")


def _begin(bpe: Any, processors: Any) -> Any:
    return processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", bpe.token_to_id("<s>"))])


def _fast(bpe: Any, **named: str | None) -> Any:
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(
        tokenizer_object=bpe, **{name: text for name, text in named.items() if text is not None}
    )


KINDS = {
    "byte level": lambda: byte_level(adds_begin=True),
    "byte level, adds no first token": lambda: byte_level(adds_begin=False),
    "byte level, has no first token": lambda: byte_level(adds_begin=False, begin=None),
    "byte level, names no first token but adds one": lambda: byte_level(adds_begin=True, begin=None),
    "metaspace": lambda: metaspace(adds_begin=True),
    "metaspace, adds no first token": lambda: metaspace(adds_begin=False),
    "metaspace, a space in front everywhere": lambda: metaspace(adds_begin=True, prepend="always"),
    "metaspace, no space in front": lambda: metaspace(adds_begin=False, prepend="never"),
}


def build(kind: str) -> Any:
    return KINDS[kind]()


def checkpoint_with(tokenizer: Any, folder: Path) -> Path:
    """An untrained model saved with this tokenizer."""
    from transformers import AutoConfig, AutoModelForCausalLM

    build_checkpoint(folder)
    config = AutoConfig.from_pretrained(folder)
    config.vocab_size = len(tokenizer)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    for file in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja"):
        (folder / file).unlink(missing_ok=True)
    tokenizer.save_pretrained(folder)
    return folder
