from collections import Counter
from pathlib import Path

import pytest

from diversity_eval.errors import DiversityEvalError
from diversity_eval.harness.documents import draw, load_documents
from tests.harness.documents import ideas


def test_all_rows_of_a_function_come_as_they_are() -> None:
    documents = load_documents("own", {"rows": ideas})
    assert documents.rows == ideas()[0]
    assert documents.picked == ""


def test_rows_are_selected_and_renamed() -> None:
    documents = load_documents(
        "own", {"rows": ideas, "select": {"category": "Colours"}, "rename": {"prompt": "question"}}
    )
    assert [row["id"] for row in documents.rows] == ["curated-1", "curated-3"]
    assert set(documents.rows[0]) == {"id", "category", "question"}
    assert documents.picked == "category=Colours"


def test_what_leaves_no_document_is_refused() -> None:
    with pytest.raises(DiversityEvalError, match="no row has category=Boats"):
        load_documents("own", {"rows": ideas, "select": {"category": "Boats"}})
    with pytest.raises(DiversityEvalError, match="asks for 6 of 5 rows"):
        load_documents("own", {"rows": ideas, "draw": {"count": 6, "seed": 1}})
    with pytest.raises(DiversityEvalError, match="asks for 0 of 5 rows"):
        load_documents("own", {"rows": ideas, "draw": {"count": 0, "seed": 1}})


def test_a_draw_is_said_and_keeps_the_order_of_the_data() -> None:
    documents = load_documents("own", {"rows": ideas, "draw": {"count": 3, "seed": 1}})
    places = [int(row["id"].removeprefix("curated-")) for row in documents.rows]
    assert places == sorted(places) == draw(5, 3, 1)
    assert documents.picked == "3 of 5 drawn with seed 1"


def test_draws_are_fixed_differ_by_seed_and_are_fair() -> None:
    import hashlib

    lots = {place: hashlib.sha256(f"7:{place}".encode()).hexdigest() for place in range(6)}
    assert draw(6, 2, 7) == sorted(sorted(lots, key=lots.__getitem__)[:2])
    assert draw(200, 100, 3407) != draw(200, 100, 3408)
    assert draw(5, 5, 1) == [0, 1, 2, 3, 4]
    often = Counter(place for seed in range(2000) for place in draw(10, 5, seed))
    assert all(900 < count < 1100 for count in often.values())  # 1,000 expected, standard deviation 22


def test_another_data_folder_is_read_anew(
    data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"source": "malicious_instruct"}
    assert len(load_documents("own", settings).rows) == 100
    monkeypatch.setenv("DIVERSITY_EVAL_DATA", str(tmp_path))
    with pytest.raises(DiversityEvalError, match="malicious_instruct"):
        load_documents("own", settings)
