"""Whether lm-eval finds this project's tasks, and where."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["RegisteredTasks", "registered_tasks"]

INSTALLED_FOLDER = "diversity_eval"
"""The folder inside lm-eval's own task folder to which the wheel maps `tasks/`."""


@dataclass(frozen=True)
class RegisteredTasks:
    """What plain `lm_eval` (or one with `--include_path`) knows of our tasks."""

    folder: Path
    tasks: tuple[str, ...]
    groups: tuple[str, ...]
    sources: dict[str, tuple[str, ...]]
    """The data sources (names in sources.yaml) of each task and group that has any."""
    known: frozenset[str]
    """Every task, group and tag that lm-eval knows, its own included."""
    novelty: frozenset[str]
    """The tasks that need a pair classifier unless told otherwise."""
    unreadable: tuple[str, ...]
    """Files under `folder` that lm-eval leaves out without a word: broken, or of a name already taken."""


def registered_tasks(include_path: Path | None = None) -> RegisteredTasks:
    """Ask lm-eval's own index. Raises nothing for an empty answer; that is an answer too."""
    import lm_eval.tasks
    from lm_eval.tasks import TaskManager

    folder = include_path or Path(lm_eval.tasks.__file__).parent / INSTALLED_FOLDER
    manager = TaskManager(include_path=str(include_path) if include_path else None)
    inside = {
        name: entry
        for name, entry in manager.task_index.items()
        if entry.yaml_path is not None and folder.resolve() in entry.yaml_path.resolve().parents
    }
    indexed = {entry.yaml_path.resolve() for entry in inside.values()}
    return RegisteredTasks(
        folder=folder,
        tasks=tuple(sorted(set(inside) & set(manager.all_subtasks))),
        groups=tuple(sorted(set(inside) & set(manager.all_groups))),
        sources={name: found for name, entry in inside.items() if (found := _sources(entry.cfg, inside))},
        known=frozenset(manager.all_tasks),
        novelty=frozenset(name for name, entry in inside.items() if _settings(entry.cfg).get("novelty")),
        unreadable=tuple(
            sorted(str(path) for path in folder.glob("**/*.yaml") if path.resolve() not in indexed)
        ),
    )


def _sources(config: Any, inside: Mapping[str, Any]) -> tuple[str, ...]:
    members = (config or {}).get("task")
    if isinstance(members, list):
        configs = [inside[name].cfg for name in members if isinstance(name, str) and name in inside]
        return tuple(dict.fromkeys(source for member in configs for source in _sources(member, inside)))
    settings = _settings(config)
    return (str(settings["source"]),) if "source" in settings else ()


def _settings(config: Any) -> Mapping[str, Any]:
    settings: Mapping[str, Any] = ((config or {}).get("metadata") or {}).get("diversity_eval") or {}
    return settings
