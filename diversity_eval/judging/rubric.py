"""Rubrics: the Jinja templates that say what a judge is to look for."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from diversity_eval.errors import DiversityEvalError
from diversity_eval.judging.untrusted import neutralise
from diversity_eval.prompting.sandbox import sandboxed, template_variables

__all__ = ["Rubric", "Shows", "existing_file", "load_rubric", "shipped_folder", "shipped_rubrics"]

Shows = Literal["response", "pair", "set"]
"""What a rubric shows the judge at once: one response, two of them, or all responses to a prompt."""

_VARIABLES = frozenset({"prompt", "response", "lowest", "highest"})
_WORDS = "words"
_OF_SEVERAL = frozenset({"other", "responses"})


@dataclass(frozen=True)
class Rubric:
    """A rubric's name and template. `label` goes into signatures: name and digest of the content.

    Attributes:
        digest: of the content.
        shows: `set` if the template uses `responses`, `pair` if it uses `other`, else `response`.
        uses_words: whether it takes the words that a judge answers with.
    """

    name: str
    source: str
    digest: str = field(init=False)
    shows: Shows = field(init=False, repr=False, compare=False)
    uses_words: bool = field(init=False, repr=False, compare=False)
    _template: Any = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Compile the template, once."""
        object.__setattr__(self, "digest", hashlib.sha256(self.source.encode()).hexdigest()[:12])
        object.__setattr__(self, "_template", sandboxed().from_string(self.source))
        names = template_variables(self.source, Path(self.name), "rubric")
        shows: Shows = "set" if "responses" in names else "pair" if "other" in names else "response"
        object.__setattr__(self, "shows", shows)
        object.__setattr__(self, "uses_words", _WORDS in names)

    @property
    def label(self) -> str:
        """What a signature says: two rubrics of one name and other content differ in it."""
        return f"{self.name}@{self.digest}"

    def render(
        self,
        prompt: str,
        response: str,
        *,
        lowest: int,
        highest: int,
        words: Sequence[str] = (),
        other: str | None = None,
        responses: Sequence[str] | None = None,
    ) -> str:
        """The message to the judge. Prompt and responses are neutralised; the template's own text is not.

        Args:
            prompt: what was asked.
            response: what came; not looked at by rubrics that show a set.
            lowest: the lowest rating.
            highest: the highest rating.
            words: what a judge that answers with words says for each rating, lowest first.
            other: the second response of a pair.
            responses: all responses to the prompt.

        Raises:
            DiversityEvalError: the template fails on them, or uses `words`, `other` or `responses` without
                being given any.
        """
        given: dict[str, Any] = {"prompt": _shown(prompt), "response": _shown(response)}
        if words:
            given[_WORDS] = list(words)
        if other is not None:
            given["other"] = _shown(other)
        if responses is not None:
            given["responses"] = [_shown(text) for text in responses]
        try:
            text = self._template.render(**given, lowest=lowest, highest=highest)
        except Exception as error:
            # A template is somebody's program: there is no list of what may go wrong in it.
            said = " ".join(str(error).split()) or type(error).__name__
            raise DiversityEvalError(f"rubric {self.name} fails on a response: {said}") from None
        return str(text).strip()


def _shown(text: str) -> str:
    return neutralise(text).strip()


def shipped_folder() -> Path:
    """The folder of judges and rubrics: inside the package where that is a wheel's, else in the checkout."""
    installed = Path(str(resources.files("diversity_eval"))) / "judges"
    return installed if (installed / "rubrics").is_dir() else Path(__file__).parents[2] / "judges"


def shipped_rubrics() -> list[str]:
    """The names of the rubrics that come with the package."""
    return sorted(path.stem for path in (shipped_folder() / "rubrics").glob("*.jinja"))


def load_rubric(name: str, folder: Path | None = None) -> Rubric:
    """A rubric by the name of a shipped one or by a file's path.

    Args:
        name: `story`, `instruction`, ..., or the path of a Jinja file, relative to `folder` or else to the
            working folder.
        folder: where the judge's YAML lies.

    Raises:
        DiversityEvalError: no such rubric or file, not UTF-8, not Jinja, neither `response` nor `responses`
            in it, other variables than prompt, response, lowest and highest, `other` for a pair,
            `responses` for a set or `words`, or a template that fails on a trial.
    """
    shipped = shipped_rubrics()
    if name in shipped:
        path = shipped_folder() / "rubrics" / f"{name}.jinja"
    else:
        found = existing_file(name, folder)
        if found is None:
            raise DiversityEvalError(
                f"rubric {name!r} is neither one of {', '.join(shipped)} nor an existing file; give one of "
                "these or the path of a Jinja file"
            )
        path = found
    try:
        source = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DiversityEvalError(f"rubric {path}: cannot be read as UTF-8 text: {error}") from None
    _check(source, path)
    rubric = Rubric(path.stem, source)
    # What fails on every response fails here, before any response is generated.
    rubric.render(
        "What was asked.", "What came.", lowest=0, highest=5, words=["no", "yes"],
        other="What else came." if rubric.shows == "pair" else None,
        responses=["What came.", "What else came."] if rubric.shows == "set" else None,
    )  # fmt: skip
    return rubric


def existing_file(name: str, folder: Path | None = None) -> Path | None:
    """The file of that name: in `folder` if it is there, else from the working folder; None without one."""
    try:
        given = Path(name).expanduser()
        candidates = [given] if given.is_absolute() or folder is None else [folder / given, given]
        return next((candidate for candidate in candidates if candidate.is_file()), None)
    except (OSError, RuntimeError, ValueError):
        # No name of a file at all: too long, a NUL in it, the home folder of nobody.
        return None


def _check(source: str, path: Path) -> None:
    names = template_variables(source, path, "rubric")
    if not names & {"response", "responses"}:
        raise DiversityEvalError(
            f"rubric {path} does not use {{{{ response }}}}, so every response would get the same rating"
        )
    if unknown := sorted(names - _VARIABLES - _OF_SEVERAL - {_WORDS}):
        raise DiversityEvalError(
            f"rubric {path} uses {', '.join(unknown)}; only {', '.join(sorted(_VARIABLES))} are defined, and "
            "other (a pair's second response) or responses (all of a prompt's), and words (the judge's)"
        )
    if names >= _OF_SEVERAL:
        raise DiversityEvalError(
            f"rubric {path} uses both other and responses; it can show a pair or a set, not both"
        )
