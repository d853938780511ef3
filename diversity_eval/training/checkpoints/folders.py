"""Writing a checkpoint's folder: whole or not at all, and never over something else."""

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path

from diversity_eval.errors import DiversityEvalError

__all__ = [
    "LICENSE_FILES",
    "TOKENIZER_FILES",
    "check_space",
    "copy_files",
    "has_tokenizer",
    "new_folder",
    "share_files",
]

TOKENIZER_FILES = (
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
    "tokenizer.model", "spiece.model", "vocab.json", "vocab.txt", "merges.txt", "*.tiktoken",
    "tekken.json", "chat_template.jinja", "chat_template.json",
)  # fmt: skip
"""What makes a tokenizer, its chat template included: copied, since saving one anew may change it."""

PROCESSOR_FILES = ("preprocessor_config.json", "processor_config.json")
"""What models that take images too do not load without."""

LICENSE_FILES = ("LICENSE*", "NOTICE*", "USE_POLICY*")
_CHECKPOINT = (
    "*.safetensors", "*.json", "README.md", ".gitattributes", *TOKENIZER_FILES, *LICENSE_FILES
)  # fmt: skip


@contextmanager
def new_folder(output: Path, *, overwrite: bool, inputs: Iterable[Path]) -> Iterator[Path]:
    """A new folder that takes the place of `output` when the block ends well, and vanishes otherwise.

    Raises DiversityEvalError, before anything is written: `output` is a file, is not empty (unless
    `overwrite` and it holds a checkpoint's files only), holds one of `inputs`, or can't be written.
    """
    output = output.expanduser()
    _check(output, overwrite, [path.resolve() for path in inputs])
    part = output.with_name(f".{output.resolve().name}.{os.getpid()}-{os.urandom(4).hex()}.part")
    try:
        try:
            part.mkdir(parents=True)
        except OSError as error:
            raise DiversityEvalError(f"{output}: cannot be written ({error.strerror or error})") from None
        yield part
        try:
            share_files(part, part.stat().st_mode)
            if output.exists():
                shutil.rmtree(output)
            part.rename(output)
        except OSError as error:
            raise DiversityEvalError(f"{output}: cannot be written ({error.strerror or error})") from None
    finally:
        shutil.rmtree(part, ignore_errors=True)


def share_files(folder: Path, mode: int) -> None:
    """Give the weights these permissions: safetensors makes them their owner's alone."""
    for path in folder.glob("*.safetensors"):
        path.chmod(mode & 0o666)


def check_space(folder: Path, needed: int, what: str) -> None:
    """Raise DiversityEvalError if the disk of `folder` has less than `needed` bytes free."""
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise DiversityEvalError(
            f"{what} needs about {needed / 2**30:.2f} GiB, and {free / 2**30:.2f} GiB are free on the disk "
            f"of {folder.parent}; free some, or choose another disk"
        )


def copy_files(source: Path, patterns: Iterable[str], target: Path) -> list[str]:
    """Copy the files that match any pattern, byte for byte; their names."""
    wanted = tuple(patterns)
    names = sorted(
        path.name
        for path in source.iterdir()
        if path.is_file() and any(fnmatch(path.name, pattern) for pattern in wanted)
    )
    for name in names:
        shutil.copyfile(source / name, target / name)
    return names


def has_tokenizer(folder: Path) -> bool:
    """Whether a tokenizer can be loaded from the folder."""
    return any(
        (folder / name).is_file() for name in ("tokenizer.json", "tokenizer_config.json", "tokenizer.model")
    )


def _check(output: Path, overwrite: bool, inputs: list[Path]) -> None:
    place = output.resolve()
    if any(place == path or place in path.parents for path in inputs):
        raise DiversityEvalError(f"{output}: holds what is being read; choose another folder")
    if not output.exists():
        return
    if not output.is_dir():
        raise DiversityEvalError(f"{output}: is a file; expected a folder, or a new name")
    there = sorted(output.iterdir())
    if there and not overwrite:
        raise DiversityEvalError(
            f"{output}: is not empty; choose another folder, or overwrite it (--overwrite)"
        )
    foreign = [p.name for p in there if p.is_dir() or not any(fnmatch(p.name, each) for each in _CHECKPOINT)]
    if foreign:
        raise DiversityEvalError(
            f"{output}: holds {foreign[0]}, which is no part of a checkpoint and would be deleted; choose "
            "another folder"
        )
