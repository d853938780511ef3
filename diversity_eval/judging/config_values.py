"""The values in a judge's YAML: what each key takes, and the one line that says what is wrong."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Literal, get_args

from diversity_eval.errors import DiversityEvalError

__all__ = ["READERS", "Api", "BackendName", "Mode", "check_words", "one_of", "own_quantization"]

BackendName = Literal["transformers", "vllm", "server"]
Mode = Literal["generate", "rate"]
Api = Literal["chat", "completions"]

_WIDEST_SCALE = 100
_WORD = re.compile(r"[^\W_]+(?:[-'\u2019][^\W_]+)*")


def _text(where: str, key: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise DiversityEvalError(f"{where}: `{key}` has to be a text, not {value!r}")
    return value.strip()


def _name(where: str, key: str, value: Any) -> str:
    # YAML reads a revision or a width in bits that is all digits as a number.
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    return _text(where, key, value)


def own_quantization(where: str, name: str) -> str:
    """How a backend in this process is to hold the weights: `nf4` and `none` in any spelling.

    `NF4` taken for a mere label would run full weights and publish four bits. Raises DiversityEvalError for
    what may mean either.
    """
    bare = re.sub(r"[^a-z0-9]", "", name.lower())
    if bare in ("nf4", "none"):
        return bare
    if bare in ("4bit", "int4", "fp4", "8bit", "int8", "bnb", "bitsandbytes", "bnb4bit", "4bitnf4", "nf4bit"):
        raise DiversityEvalError(
            f"{where}: `quantization` is {name!r}; write nf4 to have the weights quantised here, none for "
            "full weights, or say which method the checkpoint has (awq-int4, gptq-int4, ...)"
        )
    return name


def _variable(where: str, key: str, value: Any) -> str:
    # Not repeated: what stands here by mistake is the key itself.
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", value):
        raise DiversityEvalError(
            f"{where}: `{key}` has to be the name of an environment variable, e.g. OPENAI_API_KEY"
        )
    return value


def one_of(choices: tuple[str, ...]) -> Callable[[str, str, Any], str]:
    """A reader that takes one of these words."""

    def read(where: str, key: str, value: Any) -> str:
        if value not in choices:
            raise DiversityEvalError(f"{where}: `{key}` is {value!r}; expected one of {', '.join(choices)}")
        return str(value)

    return read


def _whole(lowest: int) -> Callable[[str, str, Any], int]:
    def read(where: str, key: str, value: Any) -> int:
        if isinstance(value, str) and value.strip().isdecimal():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or value < lowest:
            raise DiversityEvalError(
                f"{where}: `{key}` has to be a whole number from {lowest}, not {value!r}"
            )
        return value

    return read


def _seconds(where: str, key: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = -1.0
    if isinstance(value, bool) or not 0 < number < float("inf"):
        raise DiversityEvalError(f"{where}: `{key}` has to be a number of seconds above 0, not {value!r}")
    return number


def _scale(where: str, key: str, value: Any) -> tuple[int, int]:
    if (
        not isinstance(value, list | tuple)
        or len(value) != 2
        or any(isinstance(end, bool) or not isinstance(end, int) for end in value)
        or not 0 <= value[0] < value[1] <= _WIDEST_SCALE
    ):
        raise DiversityEvalError(
            f"{where}: `{key}` has to be two whole numbers, lowest and highest, from 0 to {_WIDEST_SCALE}, "
            f"e.g. [0, 5], not {value!r}"
        )
    return value[0], value[1]


def _words(where: str, key: str, value: Any) -> tuple[str, ...]:
    if isinstance(value, list) and any(isinstance(word, bool) for word in value):
        raise DiversityEvalError(
            f"{where}: `{key}` holds truth values, which YAML makes of no, yes, off, on, false and true: put "
            'each word in quotes, e.g. ["no", "yes"]'
        )
    if (
        not isinstance(value, list | tuple)
        or not value
        or not all(isinstance(word, str) and _WORD.fullmatch(word.strip()) for word in value)
    ):
        raise DiversityEvalError(
            f"{where}: `{key}` has to be a list of single words in quotes, one for each rating and lowest "
            f'first, e.g. ["no", "yes"], not {value!r}'
        )
    words = tuple(word.strip() for word in value)
    for place, word in enumerate(words):
        for other in (*words[:place], *words[place + 1 :]):
            if other.casefold().startswith(word.casefold()):
                raise DiversityEvalError(
                    f"{where}: `{key}` holds {word!r} and {other!r}, of which one is or begins the other (in "
                    "any letter case); choose words that cannot be mixed up"
                )
    return words


def check_words(where: str, words: tuple[str, ...], scale: tuple[int, int]) -> None:
    """Raise DiversityEvalError if there are words, but not one for each rating of the scale."""
    ratings = scale[1] - scale[0] + 1
    if words and len(words) != ratings:
        raise DiversityEvalError(
            f"{where}: `words` needs one word for each of the {ratings} ratings of `scale` {list(scale)}, "
            f"lowest first, not {len(words)}; e.g. two words with scale: [0, 1]"
        )


def _urls(where: str, key: str, value: Any) -> tuple[str, ...]:
    urls = [value] if isinstance(value, str) else value
    if not isinstance(urls, list) or not urls:
        raise DiversityEvalError(f"{where}: `{key}` has to be an address or a list of addresses")
    for url in urls:
        if not isinstance(url, str) or not url.startswith(("http://", "https://")) or not _has_host(url):
            raise DiversityEvalError(
                f"{where}: `{key}`: expected addresses that begin with http:// or https://, e.g. "
                "http://127.0.0.1:8000/v1"
            )
    return tuple(url.rstrip("/") for url in urls)


def _has_host(url: str) -> bool:
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _mapping(where: str, key: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise DiversityEvalError(f"{where}: `{key}` has to be a mapping, not {value!r}")
    return {str(name): entry for name, entry in value.items()}


READERS: Mapping[str, Callable[[str, str, Any], Any]] = {
    "backend": one_of(get_args(BackendName)),
    "model": _text,
    "mode": one_of(get_args(Mode)),
    "revision": _name,
    "quantization": _name,
    "scale": _scale,
    "words": _words,
    "max_tokens": _whole(1),
    "concurrency": _whole(1),
    "max_length": _whole(1),
    "dtype": _text,
    "device": _text,
    "tokenizer": _text,
    "base_url": _urls,
    "api": one_of(get_args(Api)),
    "api_key_env": _variable,
    "timeout": _seconds,
    "retries": _whole(1),
    "request": _mapping,
    "engine": _mapping,
}
"""By key: a function of the judge's name, the key and the value, for the value in the form that is kept."""
