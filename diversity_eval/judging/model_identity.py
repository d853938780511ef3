"""Which model a judge is, for its signature."""

import hashlib
import json
from pathlib import Path
from typing import Any, BinaryIO

__all__ = ["digest_of", "local_revision", "model_label"]

_SMALL = 4 << 20
_PIECE = 1 << 12
_LONGEST_HEADER = 100 << 20


def model_label(model: str) -> str:
    """A Hub id as it is; of a local checkpoint the folder's name, since where it lies says nothing."""
    return Path(model).resolve().name if Path(model).is_dir() else model


def local_revision(model: str) -> str | None:
    """A digest of a local checkpoint, so that two of one name differ; None if it is not local.

    Over names and sizes of its files, all of the small ones, and pieces of the large ones: of safetensors a
    piece of every tensor, of others pieces at even distances. Reading all of a 70B model would take minutes.
    """
    folder = Path(model)
    if not folder.is_dir():
        return None
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.suffix in (".json", ".safetensors", ".bin", ".model", ".jinja", ".txt"):
            size = path.stat().st_size
            digest.update(f"{path.name}:{size}\n".encode())
            with path.open("rb") as file:
                if size <= _SMALL:
                    digest.update(file.read())
                    continue
                for place in _places(file, size):
                    file.seek(place)
                    digest.update(file.read(_PIECE))
    return f"local-{digest.hexdigest()[:12]}"


def _places(file: BinaryIO, size: int) -> list[int]:
    """Where pieces are read: the beginning and middle of every tensor, or every 1,024th part."""
    length = int.from_bytes(file.read(8), "little")
    places = [at * size // 1024 for at in range(1024)]
    if length < _LONGEST_HEADER:
        try:
            header = json.loads(file.read(length))
            for name, entry in header.items():
                if name != "__metadata__":
                    begin, end = entry["data_offsets"]
                    places += [8 + length + begin, 8 + length + (begin + end) // 2]
        except (ValueError, LookupError, TypeError, AttributeError):
            pass  # not safetensors
    return sorted({max(0, min(place, size - 1)) for place in places})


def digest_of(value: Any) -> str:
    """Twelve digits of the SHA-256 of a JSON value, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(_sorted(value), default=str).encode()).hexdigest()[:12]


def _sorted(value: Any) -> Any:
    """With the keys of all mappings in order, whatever kinds they are of (in YAML, numbers too)."""
    if isinstance(value, dict):
        return {str(key): _sorted(value[key]) for key in sorted(value, key=str)}
    return [_sorted(entry) for entry in value] if isinstance(value, list) else value
