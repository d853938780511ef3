"""The addresses of a server: which one is next, and what must not be shown of them and of the key."""

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol
from urllib.parse import unquote, urlsplit

from diversity_eval.errors import DiversityEvalError
from diversity_eval.judging.config import without_credentials

if TYPE_CHECKING:
    from openai import AsyncOpenAI

__all__ = ["Address", "Addresses", "ServerConfig"]

_NO_KEY = "none"  # most local servers ask for none, and the client wants something to send
_AVOIDED, _AVOIDED_AT_MOST = 15.0, 600.0
_CONNECT_SECONDS = 10.0


class ServerConfig(Protocol):
    """What a configuration says about a server."""

    @property
    def label(self) -> str:
        """What messages call the judge or model."""

    @property
    def base_url(self) -> tuple[str, ...]:
        """The addresses."""

    @property
    def api_key_env(self) -> str:
        """The environment variable that holds the key."""

    @property
    def timeout(self) -> float:
        """Seconds for one request."""


@dataclass(slots=True)
class Address:
    """One `base_url`, and since when it has been out of reach."""

    url: str
    failures: int = 0
    avoided_until: float = 0.0

    @property
    def shown(self) -> str:
        """The address without user and password."""
        return without_credentials(self.url)

    def reached(self) -> None:
        """Something came back."""
        self.failures = 0
        self.avoided_until = 0.0

    def not_reached(self) -> None:
        """Nothing came back: avoided for 15 seconds, and twice as long each time, up to ten minutes."""
        self.avoided_until = time.monotonic() + min(_AVOIDED_AT_MOST, _AVOIDED * 2 ** min(self.failures, 10))
        self.failures += 1


class Addresses:
    """The addresses of one judge or model, with the key for them."""

    def __init__(self, config: ServerConfig) -> None:
        """Raises DiversityEvalError for an address or a key that no request can be sent with."""
        self._all = [Address(url) for url in config.base_url]
        for address in self._all:
            _check(config, address)
        self._key = os.environ.get(config.api_key_env, "").strip() or _NO_KEY
        if not (self._key.isascii() and self._key.isprintable()):
            raise DiversityEvalError(
                f"{config.label}: the key in the environment variable {config.api_key_env} holds "
                "characters that a key cannot have; set it again"
            )
        self._timeout = config.timeout
        self._secrets = [] if self._key == _NO_KEY else [self._key]
        for address in self._all:
            self._secrets += _credentials(address.url)
        self._secrets.sort(key=len, reverse=True)

    def __len__(self) -> int:
        return len(self._all)

    @property
    def shown(self) -> list[str]:
        """All of them, without user and password."""
        return [address.shown for address in self._all]

    def turn(self, number: int) -> int:
        """The place of the next one: in turn, without those that were out of reach lately."""
        turns = [(number + i) % len(self._all) for i in range(len(self._all))]
        now = time.monotonic()
        return next((turn for turn in turns if self._all[turn].avoided_until <= now), turns[0])

    def __getitem__(self, turn: int) -> Address:
        return self._all[turn]

    def client(self, turn: int) -> "AsyncOpenAI":
        """A client for an address, for one event loop. It makes single attempts.

        User and password become a header: in the address they would get into the HTTP library's log lines.
        """
        import openai

        parts = urlsplit(self._all[turn].url)
        authorization = {"Authorization": f"Basic {_basic(self._all[turn].url)}"} if parts.username else {}
        return openai.AsyncOpenAI(
            api_key=self._key,
            base_url=parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl(),
            max_retries=0,
            timeout=openai.Timeout(self._timeout, connect=min(self._timeout, _CONNECT_SECONDS)),
            default_headers=authorization,
        )

    def hide(self, text: str) -> str:
        """`text` without the key and the passwords, should a server repeat them."""
        for secret in self._secrets:
            text = text.replace(secret, "(hidden)")
        return text


def _check(config: ServerConfig, address: Address) -> None:
    try:
        parts = urlsplit(address.url)
        usable = bool(parts.hostname) and (parts.port or 1) > 0 and not parts.query and not parts.fragment
    except ValueError:
        usable = False
    if not usable:
        raise DiversityEvalError(
            f"{config.label}: base_url {address.shown} is no address of an API; expected one like "
            "http://127.0.0.1:8000/v1, without a query"
        )


def _credentials(url: str) -> list[str]:
    parts = urlsplit(url)
    return [_basic(url), parts.password, unquote(parts.password)] if parts.username and parts.password else []


def _basic(url: str) -> str:
    import base64

    parts = urlsplit(url)
    pair = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
    return base64.b64encode(pair.encode()).decode()
