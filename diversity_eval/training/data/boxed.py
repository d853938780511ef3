"""The final answer of a worked solution."""

import re

__all__ = ["last_boxed"]

_TOKEN = re.compile(r"(?P<box>\\boxed\s*\{)|\\.|[{}]", re.DOTALL)


def last_boxed(solution: str) -> str | None:
    r"""The content of the last `\boxed{...}` that is closed, stripped; None if there is none.

    It may be empty (some proofs end in `\boxed{}`); of nested boxes the innermost counts. Braces inside count
    as pairs; escaped ones (`\{`, as in a set) do not count.
    """
    last: tuple[int, str | None] = (-1, None)
    opened: list[int | None] = []  # where each open group's content begins if it is a box
    for token in _TOKEN.finditer(solution):
        if token["box"]:
            opened.append(token.end())
        elif token[0] == "{":
            opened.append(None)
        elif token[0] == "}" and opened:
            begin = opened.pop()
            # Of nested boxes the inner one closes first, yet begins later.
            if begin is not None and begin > last[0]:
                last = (begin, solution[begin : token.start()].strip())
    return last[1]
