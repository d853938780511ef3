"""Every task that ships is one that lm-eval finds and loads."""

from pathlib import Path

import pytest
import yaml
from lm_eval.tasks import TaskManager

from diversity_eval.harness.registration import registered_tasks

ROOT = Path(__file__).parent.parent.parent
SHIPPED = {
    *(f"{name}{variant}{length}" for name in ("short_stories", "small_prompts")
      for variant in ("", "_base") for length in ("", "_256", "_512")),
    *(f"novelty_bench{subset}{variant}" for subset in ("", "_wildchat") for variant in ("", "_base")),
}  # fmt: skip
DOCUMENTS = {"short_stories": 100, "small_prompts": 129, "novelty_bench_wildchat": 1000, "novelty_bench": 100}
NEW_TOKENS = {"": 64, "_256": 256, "_512": 512}


@pytest.fixture(scope="module")
def manager() -> TaskManager:
    return TaskManager(include_path=str(ROOT / "tasks"), metadata={"embeddings": "none"})


def test_every_file_is_indexed_under_its_own_name() -> None:
    found = registered_tasks(ROOT / "tasks")
    assert set(found.tasks) == SHIPPED
    assert set(found.groups) == {"creative", "creative_base"}
    assert found.unreadable == ()


def test_a_file_that_lm_eval_leaves_out_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "broken.yaml").write_text("task: x\n  bad: [", encoding="utf-8")
    (tmp_path / "fine.yaml").write_text("task: own_fine\ndataset_path: x\n", encoding="utf-8")
    found = registered_tasks(tmp_path)
    assert found.tasks == ("own_fine",)
    assert found.unreadable == (str(tmp_path / "broken.yaml"),)


def test_no_name_is_one_of_lm_eval_s_own() -> None:
    import lm_eval.tasks

    taken = set()
    folder = Path(lm_eval.tasks.__file__).parent
    for path in folder.glob("**/*.yaml"):
        if "diversity_eval" in path.relative_to(folder).parts:
            continue
        for line in path.read_text(encoding="utf-8").splitlines():
            key, _, value = line.partition(":")
            if key in ("task", "group", "tag"):
                taken.add(value.strip().strip("'\""))
    assert len(taken) > 1000
    assert not taken & {*SHIPPED, "creative", "creative_base"}


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_every_task_loads_with_its_real_documents(manager: TaskManager, data_folder: Path, name: str) -> None:
    task = manager.load([name])["tasks"][name]
    assert len(task.eval_docs) == next(n for start, n in DOCUMENTS.items() if name.startswith(start))
    generation = task.config.generation_kwargs
    length = next(length for suffix, length in reversed(NEW_TOKENS.items()) if name.endswith(suffix))
    # Every sampling parameter that vllm serve and transformers would take from the checkpoint.
    assert generation == {
        "do_sample": True, "temperature": 1.0, "top_p": 0.9, "top_k": 0, "min_p": 0.0,
        "repetition_penalty": 1.0, "max_gen_toks": length, "until": [],
    }  # fmt: skip
    assert task.config.repeats == 10
    document = task.eval_docs[0]
    asked = document["prompt"] if "prompt" in document else document["instruction"]
    text = task.doc_to_text(document)
    assert asked in text
    if name.startswith("short_stories_base"):
        assert text == asked
    if name.endswith("_base") and not name.startswith("short_stories"):
        assert text.endswith(f"\n\nQuestion: {asked}\nAnswer:")


@pytest.mark.parametrize(("name", "categories"), [("novelty_bench", 6), ("novelty_bench_wildchat", 0)])
def test_novelty_bench_names_its_documents_and_categories(
    manager: TaskManager, data_folder: Path, name: str, categories: int
) -> None:
    task = manager.load([name])["tasks"][name]
    settings = task.config.metadata["diversity_eval"]
    ids = [document[settings["id_field"]] for document in task.eval_docs]
    assert len(set(ids)) == len(ids)
    field = settings.get("category_field")
    assert len({document[field] for document in task.eval_docs} if field else ()) == categories


@pytest.mark.parametrize("group", ["creative", "creative_base"])
def test_groups_hold_unlike_things_together_without_averaging_them(
    manager: TaskManager, data_folder: Path, group: str
) -> None:
    loaded = manager.load([group])
    suffix = "_base" if group.endswith("_base") else ""
    assert set(loaded["tasks"]) == {f"short_stories{suffix}", f"small_prompts{suffix}"}
    assert not loaded["groups"][group].has_aggregation


def test_every_benchmark_has_a_readme_that_names_its_tasks() -> None:
    for path in (ROOT / "tasks").glob("*/*.yaml"):
        readme = (path.parent / "README.md").read_text(encoding="utf-8")
        config = yaml.load(path.read_text(encoding="utf-8").replace("!function", ""), yaml.SafeLoader)
        assert f"`{config.get('task') if isinstance(config.get('task'), str) else config['group']}`" in readme
