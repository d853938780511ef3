"""Which versions a result was computed with."""

from collections.abc import Iterable
from importlib import metadata

import diversity_eval

__all__ = ["versions_of"]


def versions_of(distributions: Iterable[str]) -> dict[str, str]:
    """This package's version and those of `distributions`; what is not installed is left out."""
    versions = {"diversity_eval": diversity_eval.__version__}
    for name in distributions:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions
