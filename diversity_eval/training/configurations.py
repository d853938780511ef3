"""Configurations by name or path, and what they take over from one another."""

from difflib import get_close_matches
from importlib import resources
from pathlib import Path
from typing import Any

from diversity_eval.errors import DiversityEvalError
from diversity_eval.training.settings_files import overridden, read_settings

__all__ = ["configuration_folder", "read_configuration", "shipped_configurations"]

_EXTENDS = "extends"


def configuration_folder() -> Path:
    """Where the shipped configurations are: in the package, or beside it in a checkout."""
    installed = Path(str(resources.files("diversity_eval"))) / "configs"
    return installed if installed.is_dir() else Path(__file__).parents[2] / "configs"


def shipped_configurations() -> list[str]:
    """Their names, e.g. `alpaca/tofu`."""
    folder = configuration_folder()
    return sorted(path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.yaml"))


def read_configuration(name: str) -> tuple[dict[str, Any], Path]:
    """The settings of a file or of a shipped configuration by its name, and the file's path; not checked.

    `extends: OTHER.yaml`, relative to the file, takes over the other's settings; the file's own win. If it
    has a loss, the other's loss parameters are not taken over.

    Raises DiversityEvalError if there is no such file, it can't be read, or files extend one another in a
    circle.
    """
    path = Path(name).expanduser()
    if not path.exists():
        shipped = shipped_configurations()
        asked = name.removesuffix(".yaml").removeprefix("configs/")
        if asked not in shipped:
            close = get_close_matches(asked, shipped, n=1)
            hint = f"; did you mean {close[0]}?" if close else f"; shipped are {', '.join(shipped)}"
            raise DiversityEvalError(
                f"configuration {name}: no such file, and none that ships has that name{hint}"
            )
        path = configuration_folder() / f"{asked}.yaml"
    return _read(path, []), path


def _read(path: Path, before: list[Path]) -> dict[str, Any]:
    if path.resolve() in before:
        raise DiversityEvalError(f"configuration {path}: extends itself, through {before[-1].name}")
    values = read_settings(path)
    other = values.pop(_EXTENDS, None)
    if other is None:
        return values
    if not isinstance(other, str):
        raise DiversityEvalError(f"configuration {path}: extends = {other!r}: expected another file's name")
    base = path.parent / other
    if not base.is_file():
        raise DiversityEvalError(f"configuration {path}: extends {other}, which does not exist beside it")
    return overridden(_read(base, [*before, path.resolve()]), values)
