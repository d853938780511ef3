"""Untrained models of many architectures, a few thousand weights each."""

from typing import Any

import torch

__all__ = ["ARCHITECTURES", "CAPS", "SCALES", "build"]

VOCABULARY = 97
_COMMON: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
_MLA = {"q_lora_rank": 16, "kv_lora_rank": 16, "qk_rope_head_dim": 8, "qk_nope_head_dim": 8, "v_head_dim": 8}
_MAMBA = {"mamba_d_ssm": 32, "mamba_n_heads": 4, "mamba_d_head": 8, "mamba_d_state": 8}
# Dropout would make two passes differ.
_NO_DROPOUT = {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}
_GPT = {"vocab_size": VOCABULARY, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64}

# The class of the configuration, and what it has beside or instead of the common values (None: left out).
ARCHITECTURES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("LlamaConfig", {}),
    "llama tied": ("LlamaConfig", {"tie_word_embeddings": True}),
    "mistral, sliding window": ("MistralConfig", {"sliding_window": 6}),
    "mixtral, experts": ("MixtralConfig", {"num_local_experts": 4}),
    "gemma 2, soft caps": (
        "Gemma2Config",
        {"head_dim": 8, "final_logit_softcapping": 5.0, "attn_logit_softcapping": 50.0, "sliding_window": 6},
    ),
    "gpt-2": ("GPT2Config", {**dict.fromkeys(_COMMON), **_GPT, **_NO_DROPOUT}),
    "gpt-neox, pythia": ("GPTNeoXConfig", {"num_key_value_heads": None}),
    "granite, divided logits": ("GraniteConfig", {"logits_scaling": 8.0, "embedding_multiplier": 3.0}),
    "cohere, scaled logits": ("CohereConfig", {"logit_scale": 0.0625}),
    "olmo 2": ("Olmo2Config", {}),
    "phi, bias": ("PhiConfig", {}),
    "phi 3": ("Phi3Config", {}),
    "qwen 3": ("Qwen3Config", {"head_dim": 8}),
    "qwen 3, experts": (
        "Qwen3MoeConfig",
        {"head_dim": 8, "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16},
    ),
    "minicpm 3, scaled hidden states": (
        "MiniCPM3Config",
        {"num_key_value_heads": 4, "dim_model_base": 8, **_MLA},
    ),
    "falcon h1, recurrent": ("FalconH1Config", {"lm_head_multiplier": 0.5, **_MAMBA}),
    "opt": (
        "OPTConfig",
        {
            "intermediate_size": None, "num_key_value_heads": None, "ffn_dim": 48, "word_embed_proj_dim": 32,
            "dropout": 0.0,
        },
    ),
    "bloom": (
        "BloomConfig",
        {**dict.fromkeys(_COMMON), "vocab_size": 97, "hidden_size": 32, "n_layer": 2, "n_head": 4},
    ),
    "recurrent gemma, soft cap": (
        "RecurrentGemmaConfig",
        {"num_hidden_layers": 3, "intermediate_size": 96, "logits_soft_cap": 5.0, "attention_window_size": 6},
    ),
}  # fmt: skip

SCALES = {
    "granite, divided logits": 1 / 8,
    "cohere, scaled logits": 0.0625,
    "minicpm 3, scaled hidden states": 0.25,
    "falcon h1, recurrent": 0.5,
}
CAPS = {"gemma 2, soft caps": 5.0, "recurrent gemma, soft cap": 5.0}


def build(name: str, attention: str | None = None) -> Any:
    """A model in training mode, in float32; its logits spread widely, so that probabilities do too."""
    import transformers

    kind, own = ARCHITECTURES[name]
    values = {key: value for key, value in {**_COMMON, **own}.items() if value is not None}
    config = getattr(transformers, kind)(**values)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation=attention)
        head = model.get_output_embeddings()
        with torch.no_grad():
            head.weight.normal_(0, 1.5 / SCALES.get(name, 1.0) / 6)
            if head.bias is not None:
                head.bias.normal_()
    return model.float().train()
