"""Whether two logs of the same responses say the same: partitions, rewards, utilities.

python docs/runs/novelty/same_results.py SAMPLES.jsonl OTHER_SAMPLES.jsonl
"""

import argparse
import json
from pathlib import Path
from typing import Any


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("first", type=Path)
    parser.add_argument("second", type=Path)
    given = parser.parse_args()
    pairs = list(zip(rows(given.first), rows(given.second), strict=True))
    same_texts = sum(a["filtered_resps"] == b["filtered_resps"] for a, b in pairs)
    rewards = [
        abs(x - y) for a, b in pairs for x, y in zip(a["rewards"], b["rewards"], strict=True)
        if x is not None and y is not None
    ]  # fmt: skip
    print(
        f"{len(pairs)} prompts, {same_texts} with the same responses; "
        f"other partitions: {sum(a['partition'] != b['partition'] for a, b in pairs)}; "
        f"other utilities: {sum(a['utility'] != b['utility'] for a, b in pairs)}; "
        f"{len(rewards)} rewards, at most {max(rewards):.1e} apart"
    )


if __name__ == "__main__":
    main()
