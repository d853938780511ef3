"""Where rows that come with the package come from."""

from dataclasses import dataclass

__all__ = ["EmbeddedData"]


@dataclass(frozen=True)
class EmbeddedData:
    """The counterpart of `Provenance` for a file of this package: its name, digest and number of rows."""

    file: str
    sha256: str
    rows: int
    where: str = "package"
