"""What a base model's card says of its licence."""

import re
from pathlib import Path
from typing import Any

__all__ = ["card_folder", "license_fields"]

_MOST_BYTES = 1 << 20
_FRONT_MATTER = re.compile(r"\A---\s*\n(.*?)\n---\s*\n", re.DOTALL)
_FIELDS = ("license", "license_name", "license_link")


def license_fields(folder: Path | None) -> dict[str, str]:
    """`license`, `license_name` and `license_link` of the card in a folder; empty if it says nothing
    usable.
    """
    import yaml

    if folder is None or not (card := folder / "README.md").is_file() or card.stat().st_size > _MOST_BYTES:
        return {}
    try:
        found = _FRONT_MATTER.match(card.read_text(encoding="utf-8"))
        fields: Any = yaml.safe_load(found[1]) if found else None
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError):
        return {}
    if not isinstance(fields, dict):
        return {}
    return {
        name: fields[name] for name in _FIELDS if isinstance(fields.get(name), str) and fields[name].strip()
    }


def card_folder(name: str, revision: str | None) -> Path | None:
    """Where a model's card is on this machine; None if it is not here. Asks no network."""
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder
    from huggingface_hub import try_to_load_from_cache

    try:
        card = try_to_load_from_cache(name, "README.md", revision=revision)
    except ValueError:  # not the name of a Hub model
        return None
    return Path(card).parent if isinstance(card, str) else None
