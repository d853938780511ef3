"""The stores under one name, for what holds of all of them; also imported by processes that tests start."""

import sys
import time
from pathlib import Path

from diversity_eval.judging.result_store import ResultStore, result_key
from diversity_eval.judging.store import VerdictStore, verdict_key
from diversity_eval.judging.store_file import StoreFile
from diversity_eval.judging.verdict import Verdict

KINDS: dict[str, type[StoreFile]] = {"verdicts": VerdictStore, "results": ResultStore}


def put(store: StoreFile, text: str, said: str = "", number: int = 1) -> None:
    if isinstance(store, VerdictStore):
        store.put("judge", text, Verdict(number, said))
    else:
        assert isinstance(store, ResultStore)
        store.put("test", [(result_key("test", text), {"number": number, "said": said})])


def get(store: StoreFile, texts: list[str]) -> list[tuple[int | None, str] | None]:
    """The number and what was said to each text; None where there is nothing."""
    if isinstance(store, VerdictStore):
        verdicts = store.get([verdict_key("judge", text) for text in texts])
        found = {key: (verdict.rating, verdict.reply) for key, verdict in verdicts.items()}
        return [found.get(verdict_key("judge", text)) for text in texts]
    assert isinstance(store, ResultStore)
    results = store.get([result_key("test", text) for text in texts])
    kept = {key: (result["number"], result["said"]) for key, result in results.items()}
    return [kept.get(result_key("test", text)) for text in texts]


def count(store: StoreFile) -> int:
    if isinstance(store, VerdictStore):
        return store.counts()[0]
    assert isinstance(store, ResultStore)
    return store.count()


def write_shared(kind: str, path: Path, worker: int, start: float) -> None:
    """Texts 0..299 are everybody's, in an order of one's own; 100 more are this worker's."""
    time.sleep(max(0.0, start - time.time()))
    with KINDS[kind](path) as store:
        for index in range(300):
            shared = (index * (2 * worker + 1) + 75 * worker) % 300
            put(store, f"shared {shared}", f"by {worker}", shared % 6)
            if index % 3 == 0:
                put(store, f"own {worker} {index}")
            assert get(store, [f"shared {shared}"]) != [None]


def make_many(kind: str, folder: Path, who: int, start: float) -> None:
    time.sleep(max(0.0, start - time.time()))
    for index in range(40):
        with KINDS[kind](folder / f"{index}.sqlite") as store:
            put(store, f"by {who}")


def write_until_killed(kind: str, path: str) -> None:
    """Says each number once it is in the file."""
    store = KINDS[kind](Path(path))
    for index in range(1_000_000):
        put(store, f"text {index}", f"reply {index}", index % 6)
        sys.stdout.write(f"{index}\n")
        sys.stdout.flush()
