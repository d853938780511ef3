"""YAML files that configure a model that judges: found by name, read, their keys checked."""

import difflib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from diversity_eval.errors import DiversityEvalError
from diversity_eval.judging.rubric import existing_file

__all__ = ["check_keys", "find_config", "model_path", "read_settings"]

_ALIASES = {"quantisation": "quantization"}
_SECRETS = ("api_key", "key", "token", "password")


def find_config(what: str, name: str, folder: Path) -> Path:
    """The file of a shipped configuration's name, or of a path.

    Args:
        what: of what, for messages: `judge`, ...
        name: the name of a YAML in `folder` without its ending, or the path of a file.
        folder: where the shipped ones are.

    Raises:
        DiversityEvalError: neither of the two.
    """
    shipped = sorted(path.stem for path in folder.glob("*.yaml"))
    path = folder / f"{name}.yaml" if name in shipped else existing_file(name)
    if path is None:
        near = difflib.get_close_matches(name, shipped, 1)
        raise DiversityEvalError(
            f"{what} {name!r} is neither one of {', '.join(shipped)} nor an existing file"
            + (f"; did you mean {near[0]}?" if near else "; give one of these or the path of a YAML file")
        )
    return path


def read_settings(what: str, path: Path, changes: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The keys and values of a file, those of `changes` in the place of its own.

    Raises DiversityEvalError: unreadable, no YAML, no mapping, or a key in two spellings.
    """
    import yaml

    try:
        loaded = _loaded(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise DiversityEvalError(f"{what} {path}: cannot be read as UTF-8 text: {error}") from None
    except yaml.YAMLError as error:
        # The whole message quotes the line, which may hold a key that does not belong there.
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "unreadable"
        raise DiversityEvalError(f"{what} {path}{line}: not valid YAML: {problem}") from None
    except (ValueError, RecursionError):
        # A date or a number that looks like one and is none; brackets in brackets in brackets.
        raise DiversityEvalError(
            f"{what} {path}: not valid YAML: it holds a value that cannot be read; put texts in quotes"
        ) from None
    if not isinstance(loaded, dict):
        raise DiversityEvalError(f"{what} {path}: expected `key: value` lines (model, ...)")
    settings: dict[str, Any] = {}
    for given, value in loaded.items():
        key = _ALIASES.get(str(given), str(given))
        if key in settings:
            raise DiversityEvalError(f"{what} {path}: `{key}` is given twice, in two spellings; keep one")
        settings[key] = value
    return settings | {_ALIASES.get(key, key): value for key, value in (changes or {}).items()}


def _loaded(text: str) -> Any:
    """What `yaml.safe_load` gives, but with the entries of `words` as they are spelt: no, not False."""
    import yaml

    loader = yaml.SafeLoader(text)
    try:
        whole = loader.get_single_node()
        for key, entry in whole.value if isinstance(whole, yaml.MappingNode) else ():
            if key.value == "words" and isinstance(entry, yaml.SequenceNode):
                for word in entry.value:
                    if word.tag == "tag:yaml.org,2002:bool":
                        word.tag = "tag:yaml.org,2002:str"
        return None if whole is None else loader.construct_document(whole)
    finally:
        loader.dispose()


def check_keys(where: str, settings: Mapping[str, Any], names: Collection[str]) -> None:
    """Raise DiversityEvalError for a key that is not among `names`, and for one that looks like a secret."""
    for key in settings:
        if key.lower() in _SECRETS:
            raise DiversityEvalError(
                f"{where}: no key belongs into a YAML; put it into an environment variable and name "
                "that under `api_key_env` (OPENAI_API_KEY if none is named)"
            )
        if key not in names:
            near = difflib.get_close_matches(key, sorted(names), 1)
            raise DiversityEvalError(
                f"{where}: unknown key {key!r}"
                + (f"; did you mean {near[0]}?" if near else f"; the keys are {', '.join(sorted(names))}")
            )


def model_path(model: str, folder: Path) -> str:
    """A checkpoint beside the YAML is found from anywhere; Hub ids and absolute paths stay.

    Raises DiversityEvalError for what cannot be the name of either.
    """
    try:
        Path(model).stat()
        return model
    except (FileNotFoundError, NotADirectoryError, ValueError):
        pass
    except OSError as error:
        raise DiversityEvalError(
            f"{model[:60]!r}... is neither a Hub id nor a folder ({error.strerror}); name a checkpoint"
        ) from None
    beside = folder / model
    return str(beside) if (beside / "config.json").is_file() else model
