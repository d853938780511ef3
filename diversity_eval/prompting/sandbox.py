"""Jinja for templates that may come from somebody else."""

from pathlib import Path
from typing import Any

from diversity_eval.errors import DiversityEvalError

__all__ = ["sandboxed", "template_variables"]


def sandboxed(**options: Any) -> Any:
    """A Jinja environment in which a template cannot reach Python, and a misspelt name is an error."""
    from jinja2 import StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    return ImmutableSandboxedEnvironment(undefined=StrictUndefined, **options)


def template_variables(source: str, path: Path, what: str) -> set[str]:
    """The names that a template takes from outside.

    Raises DiversityEvalError, which calls the template `what`, if it is not Jinja.
    """
    from jinja2 import TemplateSyntaxError, meta

    try:
        names: set[str] = meta.find_undeclared_variables(sandboxed().parse(source))
    except TemplateSyntaxError as error:
        raise DiversityEvalError(
            f"{what} {path}, line {error.lineno}: not valid Jinja: {error.message}"
        ) from None
    return names
