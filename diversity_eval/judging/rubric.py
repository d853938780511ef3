"""Rubrics: the Jinja templates that say what a judge is to look for."""

import hashlib
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from diversity_eval.errors import DiversityEvalError
from diversity_eval.judging.untrusted import neutralise
from diversity_eval.prompting.sandbox import sandboxed, template_variables

__all__ = ["Rubric", "existing_file", "load_rubric", "shipped_folder", "shipped_rubrics"]

_VARIABLES = frozenset({"prompt", "response", "lowest", "highest"})


@dataclass(frozen=True)
class Rubric:
    """A rubric's name and template. `label` goes into signatures: name and digest of the content."""

    name: str
    source: str
    digest: str = field(init=False)
    _template: Any = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Compile the template, once."""
        object.__setattr__(self, "digest", hashlib.sha256(self.source.encode()).hexdigest()[:12])
        object.__setattr__(self, "_template", sandboxed().from_string(self.source))

    @property
    def label(self) -> str:
        """What a signature says: two rubrics of one name and other content differ in it."""
        return f"{self.name}@{self.digest}"

    def render(self, prompt: str, response: str, *, lowest: int, highest: int) -> str:
        """The message to the judge. Prompt and response are neutralised; the template's own text is not.

        Raises DiversityEvalError if the template fails on them.
        """
        try:
            text = self._template.render(
                prompt=neutralise(prompt).strip(),
                response=neutralise(response).strip(),
                lowest=lowest,
                highest=highest,
            )
        except Exception as error:
            # A template is somebody's program: there is no list of what may go wrong in it.
            said = " ".join(str(error).split()) or type(error).__name__
            raise DiversityEvalError(f"rubric {self.name} fails on a response: {said}") from None
        return str(text).strip()


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
        DiversityEvalError: no such rubric or file, not UTF-8, not Jinja, no `response` in it, other
            variables than prompt, response, lowest and highest, or a template that fails on a trial.
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
    rubric.render("What was asked.", "What came.", lowest=0, highest=5)
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
    if "response" not in names:
        raise DiversityEvalError(
            f"rubric {path} does not use {{{{ response }}}}, so every response would get the same rating"
        )
    if unknown := sorted(names - _VARIABLES):
        raise DiversityEvalError(
            f"rubric {path} uses {', '.join(unknown)}; only {', '.join(sorted(_VARIABLES))} are defined"
        )
