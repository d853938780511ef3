"""A small real pair classifier and reward model, for runs where the benchmark's own are not to be had.

    python docs/runs/novelty/train_judges.py OUT --data FOLDER

Trains from nothing, on a CPU, in about an hour: a DeBERTa-v2 classifier (5 M parameters) on pairs made of
Alpaca's outputs, and a Gemma-2 reward model (4 M) on UltraFeedback's better and worse completions. Writes the
checkpoints OUT/classifier and OUT/reward, classifier.yaml and reward.yaml beside them, and report.json with
what they get right on texts that they were not trained on. They have the architecture of the benchmark's
models and none of their judgement: the classifier knows wording, not meaning.

FOLDER holds alpaca_train.jsonl and ultrafeedback_train.jsonl (`diversity-eval data fetch`).
"""

import argparse
import json
import math
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import yaml
from tqdm import tqdm

BATCH = 32
MOST_WORDS = 24
HELD_OUT = 600
CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}<start_of_turn>"
    "{{ 'model' if message['role'] == 'assistant' else message['role'] }}\n"
    "{{ message['content'] | trim }}<end_of_turn>\n{% endfor %}"
)


def rows_of(path: Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


# ------------------------------------------------------------------ pairs


def edited(words: list[str], vocabulary: Sequence[str], draw: random.Random) -> list[str]:
    """The same words with some dropped, some replaced, a part moved to the front, or the end cut off."""
    drop, swap = draw.uniform(0, 0.3), draw.uniform(0, 0.15)
    kept = [draw.choice(vocabulary) if draw.random() < swap else w for w in words if draw.random() > drop]
    if draw.random() < 0.3:
        place = draw.randrange(len(kept) or 1)
        kept = kept[place:] + kept[:place]
    if draw.random() < 0.4:
        kept = kept[: max(4, int(len(kept) * draw.uniform(0.5, 1)))]
    return kept or words


def pairs_of(rows: Sequence[dict[str, Any]], count: int, draw: random.Random) -> list[tuple[str, str, int]]:
    """Half of them a text and an edited version of it (1), half two texts on other questions (0)."""
    texts = [row["output"].split() for row in rows]
    usable = [i for i, words in enumerate(texts) if len(words) >= 6]
    alike: dict[str, list[int]] = {}
    for i in usable:  # questions that begin alike get answers that look alike
        alike.setdefault(" ".join(rows[i]["instruction"].lower().split()[:2]), []).append(i)
    vocabulary = [word for i in usable[:2000] for word in texts[i]]

    def piece(words: list[str]) -> list[str]:
        return words[: draw.randint(5, MOST_WORDS)]

    pairs = []
    for number in range(count):
        i = draw.choice(usable)
        words = piece(texts[i])
        if number % 2:
            other = edited(words, vocabulary, draw)
        else:
            start = " ".join(rows[i]["instruction"].lower().split()[:2])
            near = [j for j in alike[start] if j != i] if draw.random() < 0.5 else []
            other = piece(
                texts[draw.choice(near or [j for j in (draw.choice(usable),) if j != i] or usable[:1])]
            )
        pairs.append((" ".join(words), " ".join(other), number % 2))
    return pairs


# ------------------------------------------------------------------ classifier


def train_classifier(folder: Path, rows: list[dict[str, Any]], steps: int, seed: int) -> dict[str, Any]:
    import sentencepiece
    from transformers import AutoTokenizer, DebertaV2Config, DebertaV2ForSequenceClassification

    from diversity_eval.judging.novelty.classifier import PairEncoder
    from diversity_eval.judging.novelty.config import ClassifierConfig

    folder.mkdir(parents=True, exist_ok=True)
    text = folder / "text.txt"
    text.write_text("\n".join(" ".join(row["output"].split()) for row in rows[:-HELD_OUT]), "utf-8")
    sentencepiece.SentencePieceTrainer.train(
        input=str(text), model_prefix=str(folder / "spm"), vocab_size=12000, model_type="unigram",
        pad_id=0, bos_id=1, eos_id=2, unk_id=3, pad_piece="[PAD]", bos_piece="[CLS]", eos_piece="[SEP]",
        unk_piece="[UNK]", user_defined_symbols=["[MASK]"], minloglevel=2,
    )  # fmt: skip
    text.unlink()
    (folder / "spm.vocab").unlink()
    settings = {"do_lower_case": False, "vocab_type": "spm"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    config = DebertaV2Config(
        vocab_size=12032, hidden_size=192, num_hidden_layers=5, num_attention_heads=6, intermediate_size=768,
        max_position_embeddings=512, type_vocab_size=0, num_labels=2, relative_attention=True,
        position_buckets=64, max_relative_positions=-1, norm_rel_ebd="layer_norm", share_att_key=True,
        pos_att_type=["p2c", "c2p"], position_biased_input=False, pad_token_id=0,
    )  # fmt: skip
    config.save_pretrained(folder)
    encoder = PairEncoder(
        AutoTokenizer.from_pretrained(folder), ClassifierConfig("small", "classifier", model=str(folder))
    )
    torch.manual_seed(seed)
    model = DebertaV2ForSequenceClassification(config)
    with torch.no_grad():
        # Equal tokens of both texts attend to each other from the start; from noise that takes days to learn.
        for layer in model.deberta.encoder.layer:
            attention = layer.attention.self
            attention.query_proj.weight.normal_(0, 0.1)
            attention.key_proj.weight.copy_(attention.query_proj.weight)
    draw = random.Random(seed)
    train = pairs_of(rows[:-HELD_OUT], steps * BATCH, draw)
    held_out = pairs_of(rows[-HELD_OUT:], 1000, draw)

    def logits(pairs: Sequence[tuple[str, str, int]]) -> torch.Tensor:
        ids = encoder.texts([text for a, b, _ in pairs for text in (a, b)])
        joined = [encoder.join(ids[a][0], ids[b][0])[0] for a, b, _ in pairs]
        length = max(map(len, joined))
        found: torch.Tensor = model(
            input_ids=torch.tensor([row + [0] * (length - len(row)) for row in joined]),
            attention_mask=torch.tensor([[1] * len(row) + [0] * (length - len(row)) for row in joined]),
        ).logits
        return found

    def step(number: int) -> torch.Tensor:
        batch = train[number * BATCH : (number + 1) * BATCH]
        labels = torch.tensor([same for _, _, same in batch])
        return torch.nn.functional.cross_entropy(logits(batch), labels)

    loss = optimise(model, step, steps, "classifier")
    with torch.no_grad():
        chosen = torch.cat([logits(held_out[i : i + BATCH]).argmax(-1) for i in range(0, 1000, BATCH)])
    right = sum(int(c) == same for c, (_, _, same) in zip(chosen.tolist(), held_out, strict=True))
    model.save_pretrained(folder)
    return {
        "parameters": parameters(model),
        "pairs": len(train),
        "loss": loss,
        "held_out_accuracy": right / 1000,
    }


# ------------------------------------------------------------------ reward model


def train_reward(folder: Path, rows: list[dict[str, Any]], steps: int, seed: int) -> dict[str, Any]:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import Gemma2Config, Gemma2ForSequenceClassification, PreTrainedTokenizerFast

    from diversity_eval.judging.novelty.conversation import ConversationEncoder
    from diversity_eval.judging.novelty.items import Answer

    bare = Tokenizer(models.BPE(unk_token="<unk>"))
    bare.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bare.decoder = decoders.ByteLevel()
    special = ["<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>"]
    trainer = trainers.BpeTrainer(
        vocab_size=12000, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    bare.train_from_iterator((c["response"] for row in rows for c in row["completions"]), trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bare, bos_token="<bos>", eos_token="<eos>", unk_token="<unk>", pad_token="<pad>",
        additional_special_tokens=special[-2:], model_max_length=1024,
    )  # fmt: skip
    tokenizer.chat_template = CHAT_TEMPLATE
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save_pretrained(folder)
    encoder = ConversationEncoder(tokenizer, "reward")

    def ids(row: dict[str, Any], which: int) -> list[int]:
        words = row["completions"][which]["response"].split()[:80]
        return encoder.encode(Answer(" ".join(row["instruction"].split()[:40]), " ".join(words)))

    torch.manual_seed(seed)
    model = Gemma2ForSequenceClassification(
        Gemma2Config(
            vocab_size=len(tokenizer),
            hidden_size=192,
            intermediate_size=512,
            num_hidden_layers=5,
            num_attention_heads=6,
            num_key_value_heads=2,
            head_dim=32,
            max_position_embeddings=1024,
            sliding_window=512,
            pad_token_id=0,
            eos_token_id=1,
            bos_token_id=2,
            num_labels=1,
        )
    )
    ordered = [
        row for row in rows if row["completions"][0]["overall_score"] > row["completions"][1]["overall_score"]
    ]
    random.Random(seed).shuffle(ordered)
    train, held_out = ordered[:-200], ordered[-200:]

    def rewards(batch: list[dict[str, Any]]) -> tuple[torch.Tensor, torch.Tensor]:
        joined = [ids(row, which) for which in (0, 1) for row in batch]
        length = max(map(len, joined))
        found = model(
            input_ids=torch.tensor([row + [0] * (length - len(row)) for row in joined]),
            attention_mask=torch.tensor([[1] * len(row) + [0] * (length - len(row)) for row in joined]),
        ).logits[:, 0]
        return found[: len(batch)], found[len(batch) :]

    half = BATCH // 2

    def step(number: int) -> torch.Tensor:
        batch = [train[(number * half + i) % len(train)] for i in range(half)]
        better, worse = rewards(batch)
        return -torch.nn.functional.logsigmoid(better - worse).mean()

    loss = optimise(model, step, steps, "reward model")
    model.eval()
    with torch.no_grad():
        found = [rewards(held_out[i : i + half]) for i in range(0, len(held_out), half)]
    better, worse = torch.cat([b for b, _ in found]), torch.cat([w for _, w in found])
    values = sorted([*better.tolist(), *worse.tolist()])
    thresholds = [round(values[len(values) * tenth // 10], 4) for tenth in range(1, 10)]
    model.save_pretrained(folder)
    return {
        "parameters": parameters(model), "pairs": len(train), "loss": loss,
        "held_out_accuracy": float((better > worse).float().mean()), "thresholds": thresholds,
    }  # fmt: skip


# ------------------------------------------------------------------ both


def optimise(model: Any, step: Any, steps: int, what: str) -> float:
    """AdamW with a warm-up and a linear end; the mean loss of the last tenth."""
    optimiser = torch.optim.AdamW(model.parameters(), lr=6e-4, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda n: min((n + 1) / 50, max(0.02, (steps - n) / steps))
    )
    model.train()
    losses = []
    for number in (bar := tqdm(range(steps), desc=f"Training the {what}")):
        loss = step(number)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        optimiser.zero_grad()
        losses.append(loss.item())
        bar.set_postfix(loss=f"{sum(losses[-20:]) / len(losses[-20:]):.3f}", refresh=False)
    model.eval()
    return math.fsum(losses[-max(1, steps // 10) :]) / max(1, steps // 10)


def parameters(model: Any) -> int:
    return sum(p.numel() for p in model.parameters())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("output", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument("--reward-steps", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    report = {
        "classifier": train_classifier(
            given.output / "classifier", rows_of(given.data / "alpaca_train.jsonl"), given.steps, given.seed
        ),
        "reward": train_reward(
            given.output / "reward", rows_of(given.data / "ultrafeedback_train.jsonl"), given.reward_steps,
            given.seed,
        ),
    }  # fmt: skip
    (given.output / "classifier.yaml").write_text(
        yaml.safe_dump({"test": "classifier", "model": "classifier", "threshold": 0.5})
    )
    (given.output / "reward.yaml").write_text(
        yaml.safe_dump(
            {
                "backend": "transformers",
                "model": "reward",
                "dtype": "float32",
                "thresholds": report["reward"]["thresholds"],
            }
        )
    )
    (given.output / "report.json").write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps(report))


if __name__ == "__main__":
    main()
