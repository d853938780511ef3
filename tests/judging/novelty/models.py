"""Small real models with random weights: a DeBERTa-v2 pair classifier, a Gemma-2 reward model."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}<start_of_turn>"
    "{{ 'model' if message['role'] == 'assistant' else message['role'] }}\n"
    "{{ message['content'] | trim }}<end_of_turn>\n{% endfor %}"
    "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)

SENTENCES = tuple(
    f"{who} {does} {what} {where}."
    for who in ("The baker", "A tired pilot", "My neighbour", "An old turtle")
    for does in ("paints", "carries", "forgets", "repairs")
    for what in ("the green boat", "seven letters", "a wooden clock")
    for where in ("near the harbour", "after the rain", "without any hurry")
)


def build_classifier(
    folder: Path,
    *,
    labels: int = 2,
    seed: int = 0,
    sentences: Sequence[str] = SENTENCES,
    pieces: int = 150,
    **changes: Any,
) -> Path:
    """A checkpoint laid out as the published one: DeBERTa-v3's options, an spm.model as tokenizer."""
    import sentencepiece
    import torch
    from transformers import DebertaV2Config, DebertaV2ForSequenceClassification

    folder.mkdir(parents=True, exist_ok=True)
    text = folder / "text.txt"
    text.write_text("\n".join(" ".join(text.split()) for text in sentences), encoding="utf-8")
    sentencepiece.SentencePieceTrainer.train(
        input=str(text), model_prefix=str(folder / "spm"), vocab_size=pieces, hard_vocab_limit=False,
        pad_id=0, bos_id=1, eos_id=2, unk_id=3, pad_piece="[PAD]", bos_piece="[CLS]", eos_piece="[SEP]",
        unk_piece="[UNK]", user_defined_symbols=["[MASK]"], minloglevel=2,
    )  # fmt: skip
    text.unlink()
    (folder / "spm.vocab").unlink()
    (folder / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": False, "vocab_type": "spm"}))
    torch.manual_seed(seed)
    settings: dict[str, Any] = {
        "vocab_size": pieces + 10, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
        "intermediate_size": 64, "max_position_embeddings": 512, "type_vocab_size": 0, "num_labels": labels,
        "relative_attention": True, "position_buckets": 256, "norm_rel_ebd": "layer_norm",
        "share_att_key": True, "pos_att_type": ["p2c", "c2p"], "max_relative_positions": -1,
        "position_biased_input": False, "pad_token_id": 0, "initializer_range": 0.4,
    }  # fmt: skip
    model = DebertaV2ForSequenceClassification(DebertaV2Config(**{**settings, **changes}))
    model.save_pretrained(folder)
    return folder


def build_reward_model(folder: Path, *, labels: int = 1, seed: int = 0, **changes: Any) -> Path:
    """A Gemma-2 sequence classification model with Gemma's turns in its chat template."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import Gemma2Config, Gemma2ForSequenceClassification, PreTrainedTokenizerFast

    special = ["<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>"]
    bare = Tokenizer(models.BPE(unk_token="<unk>"))
    bare.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bare.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    bare.train_from_iterator(SENTENCES, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bare, bos_token="<bos>", eos_token="<eos>", unk_token="<unk>", pad_token="<pad>",
        additional_special_tokens=["<start_of_turn>", "<end_of_turn>"], model_max_length=512,
    )  # fmt: skip
    tokenizer.chat_template = CHAT_TEMPLATE
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(seed)
    settings: dict[str, Any] = {
        "vocab_size": len(tokenizer), "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 32, "max_position_embeddings": 512,
        "sliding_window": 256, "pad_token_id": 0, "eos_token_id": 1, "bos_token_id": 2, "num_labels": labels,
    }  # fmt: skip
    model = Gemma2ForSequenceClassification(Gemma2Config(**{**settings, **changes}))
    with torch.no_grad():
        model.score.weight.normal_(0, 1.0)  # rewards that reach over the whole scale
    model.save_pretrained(folder)
    return folder
