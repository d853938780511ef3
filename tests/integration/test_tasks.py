"""Every task that ships is one that lm-eval finds and loads."""

import sys
from collections import Counter
from pathlib import Path

import pytest
import yaml
from lm_eval.tasks import TaskManager

from diversity_eval.harness.documents import draw
from diversity_eval.harness.registration import registered_tasks
from diversity_eval.logs.document import DocumentFields

sys.path.insert(0, str(Path(__file__).parent.parent.parent / "scripts"))
import make_mmlu_tasks  # a script, no module of the package

ROOT = Path(__file__).parent.parent.parent
CREATIVE = {
    *(f"{name}{variant}{length}" for name in ("short_stories", "small_prompts")
      for variant in ("", "_base") for length in ("", "_256", "_512")),
    *(f"novelty_bench{subset}{variant}" for subset in ("", "_wildchat") for variant in ("", "_base")),
}  # fmt: skip
MATH = {f"{name}_coverage{v}" for name in ("math500", "gsm8k", "minerva_math") for v in ("", "_base")}
SAFETY = {
    f"{name}{v}" for name in ("malicious_instruct", "harmbench", "harmbench_all") for v in ("", "_base")
}
SUBJECTS = [subject for subjects in make_mmlu_tasks.SUBJECTS.values() for subject in subjects.split()]
CHOICE = {
    *(f"arc_challenge_label{v}" for v in ("", "_base")),
    *(f"mmlu_label{v}_{subject}" for v in ("", "_base") for subject in SUBJECTS),
}
PROBE = {"first_token_probe", "first_token_probe_base"}
SHIPPED = {*CREATIVE, *MATH, *SAFETY, *CHOICE, *PROBE}
GROUPS = {
    f"{name}{variant}{part}"
    for variant in ("", "_base")
    for name, part in (
        ("creative", ""), ("math_coverage", ""), ("safety_asr", ""), ("diversity_suite", ""),
        ("mmlu_label", ""),
        *(("mmlu_label", f"_{category}") for category in make_mmlu_tasks.SUBJECTS),
    )
}  # fmt: skip
DOCUMENTS = {
    "short_stories": 100, "small_prompts": 129, "novelty_bench_wildchat": 1000, "novelty_bench": 100,
    "math500": 500, "gsm8k": 1319, "minerva_math": 272, "malicious_instruct": 100, "harmbench_all": 200,
    "harmbench": 100, "arc_challenge_label": 1172, "first_token_probe": 13,
}  # fmt: skip
NEW_TOKENS = {"": 64, "_256": 256, "_512": 512}
SAMPLED = {
    "do_sample": True, "temperature": 1.0, "top_p": 0.9, "top_k": 0, "min_p": 0.0, "repetition_penalty": 1.0,
    "until": [],
}  # fmt: skip


@pytest.fixture(scope="module")
def manager() -> TaskManager:
    return TaskManager(include_path=str(ROOT / "tasks"), metadata={"embeddings": "none"})


def test_every_file_is_indexed_under_its_own_name() -> None:
    found = registered_tasks(ROOT / "tasks")
    assert set(found.tasks) == SHIPPED
    assert set(found.groups) == GROUPS
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
    assert not taken & {*SHIPPED, *GROUPS}


@pytest.mark.parametrize("name", sorted(CREATIVE))
def test_every_task_loads_with_its_real_documents(manager: TaskManager, data_folder: Path, name: str) -> None:
    task = manager.load([name])["tasks"][name]
    assert len(task.eval_docs) == documents_of(name)
    length = next(length for suffix, length in reversed(NEW_TOKENS.items()) if name.endswith(suffix))
    # Every sampling parameter that vllm serve and transformers would take from the checkpoint.
    assert task.config.generation_kwargs == {**SAMPLED, "max_gen_toks": length}
    assert task.config.repeats == 10
    document = task.eval_docs[0]
    asked = document["prompt"] if "prompt" in document else document["instruction"]
    text = task.doc_to_text(document)
    assert asked in text
    if name.startswith("short_stories_base"):
        assert text == asked
    if name.endswith("_base") and not name.startswith("short_stories"):
        assert text.endswith(f"\n\nQuestion: {asked}\nAnswer:")


def documents_of(name: str) -> int:
    return next(n for start, n in DOCUMENTS.items() if name.startswith(start))


@pytest.mark.parametrize("name", sorted({*MATH, *SAFETY}))
def test_tasks_with_answers_and_refusals(manager: TaskManager, data_folder: Path, name: str) -> None:
    task = manager.load([name])["tasks"][name]
    assert len(task.eval_docs) == documents_of(name)
    of_math = name in MATH
    assert task.config.generation_kwargs == {**SAMPLED, "max_gen_toks": 4096 if of_math else 128}
    assert task.config.repeats == (16 if of_math else 10)
    document = task.eval_docs[0]
    text = task.doc_to_text(document)
    assert document["problem" if of_math else "prompt"] in text
    assert (r"\boxed{" in text) == of_math
    if name.endswith("_base"):
        assert text.endswith("\nSolution:" if of_math else "\nAnswer:")
    fields = DocumentFields.of_task(name, task.config.metadata["diversity_eval"])
    references = [fields.reference_of(document) for document in task.eval_docs]
    assert all(references) == of_math
    assert not of_math or fields.reference_of(document) not in text.rpartition("Problem:")[2][-40:]


def test_math_500_has_seven_subjects_and_five_levels(manager: TaskManager, data_folder: Path) -> None:
    task = manager.load(["math500_coverage"])["tasks"]["math500_coverage"]
    fields = DocumentFields.of_task("math500_coverage", task.config.metadata["diversity_eval"])
    found = {category for document in task.eval_docs for category in fields.categories_of(document)}
    assert len(found) == 12
    assert {f"level {level}" for level in range(1, 6)} < found


def test_harmbench_s_hundred_are_the_seed_s(manager: TaskManager, data_folder: Path) -> None:
    ids = {
        name: [document["BehaviorID"] for document in manager.load([name])["tasks"][name].eval_docs]
        for name in ("harmbench", "harmbench_base", "harmbench_all")
    }
    assert ids["harmbench"] == ids["harmbench_base"]
    assert ids["harmbench"] == [ids["harmbench_all"][place] for place in draw(200, 100, 3407)]


@pytest.mark.parametrize("name", sorted(CHOICE))
def test_tasks_with_options(manager: TaskManager, data_folder: Path, name: str) -> None:
    task = manager.load([name])["tasks"][name]
    settings = task.config.metadata["diversity_eval"]
    fields = DocumentFields.of_task(name, settings)
    assert task.config.repeats == 1
    assert task.config.generation_kwargs == {
        "do_sample": False, "temperature": 0.0, "repetition_penalty": 1.0, "max_gen_toks": 8, "until": [],
    }  # fmt: skip
    if name.startswith("mmlu"):
        assert {document["subject"] for document in task.eval_docs} == {settings["select"]["subject"]}
        assert settings["macro"] is True
    every = 1 if name == "arc_challenge_label" else 50  # lm-eval compiles its template for every text
    for place, document in enumerate(task.eval_docs):
        reference = fields.reference_of(document)
        if place % every:
            continue
        assert reference == task.doc_to_target(document)
        text = task.doc_to_text(document)
        choices = document["choices"]
        labels, options = (
            fields.labels_of(document),
            choices if isinstance(choices, list) else choices["text"],
        )
        shown = "\n".join(f"{label}. {option}" for label, option in zip(labels, options, strict=True))
        begun = "\nAnswer:" if "_base" in name else ""
        assert text.endswith(f"{document['question']}\n{shown}{begun}")
        assert settings.get("answer_begun", "") == begun.strip()


def test_all_of_mmlu_s_and_arc_s_questions_are_there(manager: TaskManager, data_folder: Path) -> None:
    loaded = manager.load(["mmlu_label", "arc_challenge_label"])
    tasks = {name: task for name, task in loaded["tasks"].items() if name.startswith("mmlu")}
    assert len(tasks) == 57
    assert sum(len(task.eval_docs) for task in tasks.values()) == 14_042
    arc = loaded["tasks"]["arc_challenge_label"]
    fields = DocumentFields.of_task("arc", arc.config.metadata["diversity_eval"])
    labels = Counter("".join(fields.labels_of(document)) for document in arc.eval_docs)
    assert sum(count for written, count in labels.items() if written[0] == "1") == 22
    assert labels["ABCDE"] == 3


def test_mmlu_s_files_are_what_the_script_writes() -> None:
    written = {
        path.name: path.read_text(encoding="utf-8") for path in (ROOT / "tasks/mmlu_label").glob("*.yaml")
    }
    assert written == make_mmlu_tasks.files()


@pytest.mark.parametrize("name", sorted(PROBE))
def test_the_probe_has_its_own_documents(manager: TaskManager, name: str) -> None:
    task = manager.load([name])["tasks"][name]
    assert len(task.eval_docs) == 13
    for document in task.eval_docs:
        answers = [word.lower() for words in (*document["right"], *document["wrong"]) for word in words]
        assert len(set(answers)) == len(answers)
        assert document["prompt"] in task.doc_to_text(document)


@pytest.mark.parametrize(
    ("group", "metrics"),
    [
        ("math_coverage", {"coverage": False, "success_rate": False}),
        ("safety_asr", {"asr": False, "asr_worst": False}),
        ("mmlu_label", {"accuracy": True, "accuracy_macro": False, "unparsed": True}),
        ("mmlu_label_stem", {"accuracy": True, "accuracy_macro": False, "unparsed": True}),
        ("diversity_suite", {}),
    ],
)
def test_groups_average_like_things_only(
    manager: TaskManager, data_folder: Path, group: str, metrics: dict[str, bool]
) -> None:
    """The value says whether a mean is weighted by the tasks' sizes."""
    for variant in ("", "_base"):
        name = group.replace("mmlu_label", f"mmlu_label{variant}") if "mmlu" in group else group + variant
        found = manager.load([name])["groups"][name].aggregate_metric_list or []
        assert {entry.metric: entry.weight_by_size for entry in found} == metrics


def test_the_suite_has_every_benchmark(manager: TaskManager, data_folder: Path) -> None:
    for variant in ("", "_base"):
        tasks = set(manager.load([f"diversity_suite{variant}"])["tasks"])
        expected = {name for name in SHIPPED if ("_base" in name) == bool(variant)}
        assert tasks == {name for name in expected if not name.startswith("harmbench_all")}


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
