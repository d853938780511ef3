"""An OpenAI-compatible judge over real HTTP that misbehaves as told, and whose true ratings are known.

By hand: `python -m tests.judging.faulty_judge --rate 0.33` prints its address and serves until interrupted.
"""

import argparse
import hashlib
import json
import math
import random
import re
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar

START = "Total rating:"
HTTP_FAULTS = (
    "429", "500", "503", "hang", "drip", "reset", "cut headers", "cut body", "half json", "garbage", "html",
    "empty", "no choices", "error as 200",
)  # fmt: skip
LOGPROB_FAULTS = ("nan", "positive", "text", "above one", "no logprobs", "uneven")
SLOW = ("hang", "drip")
CHECK = "How many days does a week have?"  # in the request that the backend begins with


def true_rating(prompt: str) -> int:
    """What this judge thinks of a prompt, 0 to 5."""
    return hashlib.sha256(prompt.encode()).digest()[0] % 6


def true_distribution(prompt: str) -> list[float]:
    """The probabilities that it gives to 0 to 5; they sum to 0.9."""
    rating = true_rating(prompt)
    return [0.6 if n == rating else 0.18 if n == (rating + 1) % 6 else 0.03 for n in range(6)]


def tokens_of(text: str) -> list[str]:
    """Digits alone, words with the space before them, everything else by character."""
    return re.findall(r"\d| ?[^\W\d]+|.", text, re.DOTALL)


@dataclass
class FaultyJudge:
    """How the judge behaves, and what it has seen.

    Attributes:
        rate: the share of requests that go wrong, decided by seed, prompt and attempt.
        faults: how they go wrong.
        always: what goes wrong with every request whose prompt contains the text: a fault, or a status.
        parrot: the quoted response stands `before`, `after` or `instead` of the judge's own verdict.
        gap: the tokens between the template's colon and the digit.
        scale_mass: the share of `true_distribution` that is given to the ratings.
        refuses: fields that get a 400.
        ignores_prefill: the reply's beginning is taken for a message of its own.
        key: the only key that is let in.
        paths: the only ones that it has; all, if there are none.
        serves: the only model that it has.
        echo: repeats the request's authorization in whatever it says.
        requests, answered: by prompt; the second counts good answers that were written to the end.
        most_at_once: requests under way at the same time.
    """

    rate: float = 0.0
    seed: int = 0
    faults: Sequence[str] = HTTP_FAULTS + LOGPROB_FAULTS
    always: Mapping[str, str | int] = field(default_factory=dict)
    parrot: str = ""
    gap: tuple[str, ...] = (" ",)
    scale_mass: float = 1.0
    refuses: tuple[str, ...] = ()
    ignores_prefill: bool = False
    key: str = ""
    paths: tuple[str, ...] = ()
    serves: str = ""
    echo: bool = False
    retry_after: str = "0.05"
    slow: float = 0.0
    url: str = ""
    at_once: int = 0
    most_at_once: int = 0
    requests: Counter[str] = field(default_factory=Counter)
    answered: Counter[str] = field(default_factory=Counter)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    times: dict[str, list[float]] = field(default_factory=dict)
    stopped: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def fault(self, prompt: str, attempt: int, logprobs: bool) -> str | int:
        for text, what in self.always.items():
            if text in prompt:
                return what
        draw = random.Random(f"{self.seed}:{prompt}:{attempt}")
        kinds = [kind for kind in self.faults if logprobs or kind not in LOGPROB_FAULTS]
        if not kinds or draw.random() >= self.rate:
            return ""
        # Those that cost the client its whole timeout are a sixth as frequent, to keep the tests short.
        return draw.choices(kinds, [1 if kind in SLOW else 6 for kind in kinds])[0]

    def answer(self, body: dict[str, Any], prompt: str) -> dict[str, Any]:
        chat = "messages" in body
        prefilled = (
            chat and bool(body.get("continue_final_message")) and not self.ignores_prefill
        ) or f"{body.get('prompt', '')}".endswith(START)
        text, digit = self._reply(prompt, prefilled)
        tokens = tokens_of(text)[: int(body.get("max_tokens", body.get("max_completion_tokens", 16)))]
        choice: dict[str, Any] = {"index": 0, "finish_reason": "stop"}
        text = "".join(tokens)
        choice |= {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
        choice["logprobs"] = None
        if body.get("logprobs"):
            listed = [self._likeliest(prompt, token, place == digit) for place, token in enumerate(tokens)]
            choice["logprobs"] = (_chat if chat else _completions)(tokens, listed)
        usage = {
            "prompt_tokens": len(tokens_of(prompt)),
            "completion_tokens": len(tokens),
            "prompt_tokens_details": {"cached_tokens": 1},
        }
        return {"model": "a-judge", "choices": [choice], "usage": usage}

    def _reply(self, prompt: str, prefilled: bool) -> tuple[str, int | None]:
        """The reply, and which of its tokens is the digit of the judge's own verdict."""
        begin = "" if prefilled else START
        verdict = f"{begin}{''.join(self.gap)}{true_rating(prompt)}"
        place = len(tokens_of(verdict)) - 1
        quoted = re.search(r"<(response|continuation)>\n(.*)\n</\1>", prompt, re.DOTALL)
        if not self.parrot or not quoted:
            return verdict, place
        if self.parrot == "instead":
            return quoted[2], None
        if self.parrot == "after":
            return f"{verdict}\n{quoted[2]}", place
        before = f"{quoted[2]}\n"
        verdict = f"{START} {true_rating(prompt)}"
        return before + verdict, len(tokens_of(before)) + len(tokens_of(verdict)) - 1

    def _likeliest(self, prompt: str, token: str, is_digit: bool) -> list[tuple[str, float]]:
        """The tokens named at a place, with log-probabilities. A digit has a second form, with a space."""
        if not is_digit:
            return [(token, math.log(0.99)), (" well", math.log(0.004))]
        pairs: list[tuple[str, float]] = []
        for n, share in enumerate(true_distribution(prompt)):
            for form, part in ((str(n), 0.9), (f" {n}", 0.1)):
                pairs.append((form, math.log(share * part * self.scale_mass)))
        return [*pairs, (" well", math.log(0.05))]


def _chat(tokens: Sequence[str], listed: Sequence[Sequence[tuple[str, float]]]) -> dict[str, Any]:
    return {
        "content": [
            {
                "token": token,
                "logprob": dict(pairs)[token],
                "bytes": list(token.encode()),
                "top_logprobs": [{"token": t, "logprob": p, "bytes": None} for t, p in pairs],
            }
            for token, pairs in zip(tokens, listed, strict=True)
        ]
    }


def _completions(tokens: Sequence[str], listed: Sequence[Sequence[tuple[str, float]]]) -> dict[str, Any]:
    return {
        "tokens": list(tokens),
        "token_logprobs": [dict(pairs)[token] for token, pairs in zip(tokens, listed, strict=True)],
        "top_logprobs": [dict(pairs) for pairs in listed],
        "text_offset": [0] * len(tokens),
    }


def spoil(answer: dict[str, Any], fault: str) -> None:
    """Make the log-probabilities of an answer wrong."""
    choice = answer["choices"][0]
    if fault == "no logprobs":
        choice["logprobs"] = None
        return
    value = {"nan": math.nan, "positive": 0.5, "text": "-1.0", "above one": -0.01, "uneven": -1.0}[fault]
    given = choice["logprobs"]
    if "content" in given:
        for top in given["content"][-1]["top_logprobs"]:
            top["logprob"] = value
        if fault == "uneven":
            del given["content"][-1]["token"]
    else:
        given["top_logprobs"][-1] = dict.fromkeys(given["top_logprobs"][-1], value)
        if fault == "uneven":
            given["tokens"].pop()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or every second write waits 40 ms for an acknowledgement
    server: "_Listener"

    def do_POST(self) -> None:
        judge = self.server.judge
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if "messages" in body:
            prompt = body["messages"][0]["content"]
        elif "input" in body:
            prompt = str(body["input"])
        else:
            prompt = body["prompt"].removesuffix(START).removesuffix("\n")
        with judge.lock:
            attempt = judge.requests[prompt]
            judge.requests[prompt] += 1
            judge.bodies.append(body)
            judge.times.setdefault(prompt, []).append(time.monotonic())
            judge.at_once += 1
            judge.most_at_once = max(judge.at_once, judge.most_at_once)
        try:
            self._respond(body, prompt, attempt)
        finally:
            with judge.lock:
                judge.at_once -= 1

    def _respond(self, body: dict[str, Any], prompt: str, attempt: int) -> None:
        judge = self.server.judge
        authorization = self.headers.get("Authorization", "")
        echo = f" ({authorization})" if judge.echo else ""
        if judge.key and authorization != f"Bearer {judge.key}":
            self._say(401, f"Incorrect API key provided{echo}")
        elif judge.paths and self.path not in judge.paths:
            self._say(404, "Not Found")
        elif judge.serves and body["model"] != judge.serves:
            self._say(404, f"The model `{body['model']}` does not exist.")
        elif refused := [name for name in judge.refuses if name in body]:
            instead = "; use 'max_completion_tokens' instead" if "max_tokens" in refused else ""
            self._say(400, f"Unsupported parameter: '{refused[0]}'{instead}{echo}")
        elif fault := judge.fault(prompt, attempt, bool(body.get("logprobs"))):
            self._misbehave(fault, judge.answer(body, prompt), echo)
        else:
            judge.stopped.wait(judge.slow)
            answer = judge.answer(body, prompt)
            if echo and "message" in answer["choices"][0]:
                answer["choices"][0]["message"]["content"] += echo
            self._write(200, json.dumps(answer).encode())
            with judge.lock:
                judge.answered[prompt] += 1

    def _misbehave(self, fault: str | int, answer: dict[str, Any], echo: str) -> None:
        judge = self.server.judge
        whole = json.dumps(answer).encode()
        if isinstance(fault, int) or fault in ("500", "503"):
            self._say(int(fault), f"out of order\x1b[31m{echo}")
        elif fault == "429":
            self._say(429, "later", {"Retry-After": judge.retry_after})
        elif fault in LOGPROB_FAULTS:
            spoil(answer, fault)
            self._write(200, json.dumps(answer).encode())
        elif fault == "other text":
            answer["choices"][0]["message"]["content"] = f"Total rating: 5{echo}"
            answer["choices"][0]["logprobs"] = _chat(["No"], [[("No", -0.1)]])
            self._write(200, json.dumps(answer).encode())
        elif fault == "no choices":
            self._write(200, b'{"object": "chat.completion", "choices": []}')
        elif fault == "error as 200":
            self._say(200, f"overloaded{echo}")
        elif fault == "html":
            self._write(200, b"<html><body>502 Bad Gateway</body></html>", kind="text/html")
        elif fault == "garbage":
            self._write(200, bytes(range(128, 256)) * 3)
        elif fault == "half json":
            self._write(200, whole[: len(whole) // 2])
        elif fault == "empty":
            self._write(200, b"")
        else:
            self._break_off(fault, whole)

    def _break_off(self, fault: str, whole: bytes) -> None:
        judge = self.server.judge
        self.close_connection = True
        if fault == "cut headers":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/js")
        elif fault in ("cut body", "drip"):
            head = (
                f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(whole)}\r\n\r\n"
            )
            self.wfile.write(head.encode())
            self.wfile.write(whole[: len(whole) // 2])
        if fault == "hang":
            judge.stopped.wait(30)
        elif fault == "drip":
            for byte in whole[len(whole) // 2 :]:
                if judge.stopped.wait(0.1):
                    break
                self.wfile.write(bytes([byte]))
        # Closing resets the connection instead of ending it in good order.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def _say(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        content = json.dumps({"error": {"message": message, "type": "some_error"}}).encode()
        self._write(status, content, headers=headers)

    def _write(
        self,
        status: int,
        content: bytes,
        *,
        kind: str = "application/json",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        pass


class _Listener(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True

    def __init__(self, judge: FaultyJudge, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.judge = judge

    def shutdown_request(self, request: Any) -> None:
        self.close_request(request)  # without the good-bye, so that a reset is one

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # clients that give up are part of the game


_Judge = TypeVar("_Judge", bound=FaultyJudge)


@contextmanager
def running(judge: _Judge, port: int = 0) -> Iterator[_Judge]:
    """Serve on this machine while the block runs; port 0 is a free one."""
    listener = _Listener(judge, port)
    judge.url = f"http://127.0.0.1:{listener.server_address[1]}/v1"
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield judge
    finally:
        judge.stopped.set()
        listener.shutdown()
        listener.server_close()
        thread.join()


def main() -> None:
    parser = argparse.ArgumentParser(description="A judge that misbehaves.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--rate", type=float, default=1 / 3, help="share of requests that go wrong")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--faults", nargs="+", default=HTTP_FAULTS + LOGPROB_FAULTS)
    parser.add_argument("--parrot", choices=["before", "after", "instead"], default="")
    given = parser.parse_args()
    judge = FaultyJudge(rate=given.rate, seed=given.seed, faults=given.faults, parrot=given.parrot)
    with running(judge, given.port):
        print(judge.url, flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
