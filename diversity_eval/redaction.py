"""Taking secrets out of what is written to disk."""

import re
from collections.abc import Mapping
from typing import Any

__all__ = ["without_secrets"]

_SECRET = re.compile(r"(^|_)(key|token|secret|password|header|headers|authorization)$", re.IGNORECASE)
_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]*@")
# Of a tokenizer or a reply, not of an account.
_NOT_SECRET = re.compile(r"(^|_)(bos|eos|pad|unk|sep|cls|mask|think_end|think_start)_token$", re.IGNORECASE)
_ARGUMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=[^,]*")


def without_secrets(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """A mapping without the entries whose names look like secrets, and without credentials in addresses.

    Model arguments may carry both, and lm-eval passes them to tasks and writes them to disk. Mappings inside
    are treated likewise, and so are lm-eval's strings of arguments, `name=value,name=value`.
    """
    return {key: _without(value) for key, value in metadata.items() if not _is_secret(str(key))}


def _without(value: Any) -> Any:
    if isinstance(value, Mapping):
        return without_secrets(value)
    if isinstance(value, list):
        return [_without(entry) for entry in value]
    if not isinstance(value, str):
        return value
    return _ARGUMENT.sub(_hide, _CREDENTIALS.sub("", value))


def _hide(argument: re.Match[str]) -> str:
    name = argument[1]
    return f"{name}=..." if _is_secret(name) else argument[0]


def _is_secret(name: str) -> bool:
    return _SECRET.search(name) is not None and _NOT_SECRET.search(name) is None
