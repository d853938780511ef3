"""Which model a judge is, for its signature."""

import hashlib
import json
from pathlib import Path
from typing import Any

__all__ = ["digest_of", "local_revision", "model_label"]


def model_label(model: str) -> str:
    """A Hub id as it is; of a local checkpoint the folder's name, since where it lies says nothing."""
    return Path(model).resolve().name if Path(model).is_dir() else model


def local_revision(model: str) -> str | None:
    """A digest of a local checkpoint, so that two of one name differ; None if it is not local.

    Over names, sizes and both ends of its files: reading all of a 70B model would take minutes.
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
                digest.update(file.read(1 << 20))
                if size > 2 << 20:
                    file.seek(-(1 << 20), 2)
                    digest.update(file.read())
    return f"local-{digest.hexdigest()[:12]}"


def digest_of(value: Any) -> str:
    """Twelve digits of the SHA-256 of a JSON value, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(_sorted(value), default=str).encode()).hexdigest()[:12]


def _sorted(value: Any) -> Any:
    """With the keys of all mappings in order, whatever kinds they are of (in YAML, numbers too)."""
    if isinstance(value, dict):
        return {str(key): _sorted(value[key]) for key in sorted(value, key=str)}
    return [_sorted(entry) for entry in value] if isinstance(value, list) else value
