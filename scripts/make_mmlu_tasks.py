"""Writes the task files of MMLU: one for each subject, and the groups.

    python scripts/make_mmlu_tasks.py

The subjects and their categories are MMLU's own (Hendrycks et al. 2021). What all subjects share is in
`tasks/mmlu_label/_instruct_yaml` and `_base_yaml`. Files that are there already are replaced.
"""

from pathlib import Path

FOLDER = Path(__file__).parent.parent / "tasks" / "mmlu_label"

CATEGORIES = {
    "stem": "STEM",
    "humanities": "humanities",
    "social_sciences": "social sciences",
    "other": "other",
}

SUBJECTS = {
    "stem": """
        abstract_algebra anatomy astronomy college_biology college_chemistry college_computer_science
        college_mathematics college_physics computer_security conceptual_physics electrical_engineering
        elementary_mathematics high_school_biology high_school_chemistry high_school_computer_science
        high_school_mathematics high_school_physics high_school_statistics machine_learning""",
    "humanities": """
        formal_logic high_school_european_history high_school_us_history high_school_world_history
        international_law jurisprudence logical_fallacies moral_disputes moral_scenarios philosophy prehistory
        professional_law world_religions""",
    "social_sciences": """
        econometrics high_school_geography high_school_government_and_politics high_school_macroeconomics
        high_school_microeconomics high_school_psychology human_sexuality professional_psychology
        public_relations security_studies sociology us_foreign_policy""",
    "other": """
        business_ethics clinical_knowledge college_medicine global_facts human_aging management marketing
        medical_genetics miscellaneous nutrition professional_accounting professional_medicine virology""",
}


def task_file(subject: str, variant: str) -> str:
    """The YAML of one subject; `variant` is empty or `_base`."""
    base = '\n    answer_begun: "Answer:"\n    base: true\n    stop: ["\\nQuestion:"]' if variant else ""
    return f"""include:
  - ../_greedy_8_yaml
  - {"_base_yaml" if variant else "_instruct_yaml"}
task: mmlu_label{variant}_{subject}
task_alias: {subject.replace("_", " ")}
metadata:
  version: 1.0
  diversity_eval:
    source: mmlu_test
    select: {{subject: {subject}}}
    measures: choice
    macro: true
    choices_field: choices
    answer_field: answer
    answer_form: label
    prompt_field: question
    judged: false{base}
"""


def group_file(name: str, alias: str, members: list[str]) -> str:
    """The YAML of a group with both averages."""
    lines = "\n".join(f"  - {member}" for member in members)
    return f"""# accuracy: every question counts the same. accuracy_macro: every subject counts the same.
group: {name}
group_alias: {alias}
task:
{lines}
aggregate_metric_list:
  - metric: accuracy
    weight_by_size: true
  - metric: accuracy_macro
    weight_by_size: false
  - metric: unparsed
    weight_by_size: true
metadata:
  version: 1.0
"""


def files() -> dict[str, str]:
    """The text of every file, by its name."""
    found = {}
    for variant in ("", "_base"):
        note = ", base checkpoints" if variant else ""
        groups = []
        for category, subjects in SUBJECTS.items():
            tasks = [f"mmlu_label{variant}_{subject}" for subject in subjects.split()]
            for subject, task in zip(subjects.split(), tasks, strict=True):
                found[f"{task}.yaml"] = task_file(subject, variant)
            groups.append(f"mmlu_label{variant}_{category}")
            alias = f"MMLU, {CATEGORIES[category]}{note}"
            found[f"{groups[-1]}_group.yaml"] = group_file(groups[-1], alias, tasks)
        found[f"mmlu_label{variant}_group.yaml"] = group_file(f"mmlu_label{variant}", f"MMLU{note}", groups)
    return found


def main() -> None:
    """Write all of them."""
    for old in FOLDER.glob("*.yaml"):
        old.unlink()
    for name, text in files().items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
