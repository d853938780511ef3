"""Taking secrets out of what is written to disk."""

import re
from collections.abc import Mapping
from typing import Any

__all__ = ["without_secrets"]

_SECRET = re.compile(r"(^|_)(key|token|secret|password|header|headers|authorization)$", re.IGNORECASE)
_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]*@")
_NOT_SECRET = {"add_bos_token", "think_end_token", "eos_token", "pad_token"}
_ARGUMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=[^,]*")


def without_secrets(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """A mapping without the entries whose names look like secrets, and without credentials in addresses.

    Model arguments may carry both, and lm-eval passes them to tasks and writes them to disk. Mappings inside
    are treated likewise, and so are lm-eval's strings of arguments, `name=value,name=value`.
    """
    return {
        key: _without(value)
        for key, value in metadata.items()
        if key in _NOT_SECRET or not _SECRET.search(str(key))
    }


def _without(value: Any) -> Any:
    if isinstance(value, Mapping):
        return without_secrets(value)
    if not isinstance(value, str):
        return value
    return _ARGUMENT.sub(_hide, _CREDENTIALS.sub("", value))


def _hide(argument: re.Match[str]) -> str:
    name = argument[1]
    return argument[0] if name in _NOT_SECRET or not _SECRET.search(name) else f"{name}=..."
