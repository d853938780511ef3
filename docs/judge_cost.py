"""What a 70B judge needs and costs, on paper: the arithmetic behind the table in docs/judging.md.

    python docs/judge_cost.py [--card-dollars-per-hour 0.80]

Nothing here is measured on a GPU. The numbers of the model are those of its published configuration; the
tokens are those of benchmarks/README.md (a rubric of 297, and about 90 computed for a rating in `rate` mode);
how much of a card's peak a 4-bit model reaches is an assumption.
"""

import argparse

PARAMETERS = 70.55e9
VOCABULARY, HIDDEN, LAYERS, KV_HEADS, HEAD = 128_256, 8_192, 80, 8, 128
NF4_BITS = 4.127  # 4, plus an 8-bit scale for 64 weights, plus a 32-bit one for 256 scales
PEAK_FLOPS, BANDWIDTH = 155e12, 768e9  # a 48 GB workstation card: bfloat16 without sparsity, memory
REACHED = 0.3  # of peak compute, with 4-bit weights unpacked on the way
RUBRIC, MATERIAL, RATE_TOKENS, REPLY = 300, 120, 90, 7  # tokens; a verdict and its end token are seven
RATINGS = 82_000


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--card-dollars-per-hour", type=float, default=0.80)
    price = parser.parse_args().card_dollars_per_hour
    outer = 2 * VOCABULARY * HIDDEN
    weights = (PARAMETERS - outer) * NF4_BITS / 8 + outer * 2
    cache = 2 * LAYERS * KV_HEADS * HEAD * 2
    print(f"weights in NF4: ({PARAMETERS / 1e9:.2f} - {outer / 1e9:.2f}) G x {NF4_BITS} bits + "
          f"{outer / 1e9:.2f} G x 16 bits = {weights / 1e9:.1f} GB")  # fmt: skip
    print(f"keys and values: {cache / 1e6:.3f} MB a token; 16 prompts of {RUBRIC + MATERIAL} tokens: "
          f"{16 * (RUBRIC + MATERIAL) * cache / 1e9:.1f} GB")  # fmt: skip
    token = 2 * PARAMETERS / (PEAK_FLOPS * REACHED)
    step = weights / BANDWIDTH
    seconds = {
        "generate, one at a time": (RUBRIC + MATERIAL) * token + REPLY * step,
        "generate, batches of 16": RATE_TOKENS * token + REPLY * (step / 16 + token),
        "rate": RATE_TOKENS * token,
    }
    print(f"a token: 2 x {PARAMETERS / 1e9:.1f} GFLOP / ({PEAK_FLOPS / 1e12:.0f} TFLOP/s x {REACHED}) = "
          f"{1000 * token:.1f} ms; a decoding step: {weights / 1e9:.1f} GB / {BANDWIDTH / 1e9:.0f} GB/s = "
          f"{1000 * step:.0f} ms")  # fmt: skip
    print(f"\n| mode | seconds a rating | 1,000 ratings | at ${price:.2f} an hour | {RATINGS:,} ratings |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for name, value in seconds.items():
        print(f"| {name} | {value:.2f} | {1000 * value / 60:.0f} min | ${1000 * value / 3600 * price:.2f} | "
              f"{RATINGS * value / 3600:.0f} h |")  # fmt: skip


if __name__ == "__main__":
    main()
