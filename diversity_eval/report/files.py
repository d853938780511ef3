"""The report's files: one comparison, written in every form that is asked for."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from diversity_eval.data.writing import replacing, write_text
from diversity_eval.errors import DiversityEvalError

if TYPE_CHECKING:
    from diversity_eval.report.comparison import Comparison

__all__ = ["FORMATS", "formats_of", "write_report"]

FORMATS = ("html", "md", "tex", "csv", "parquet", "json", "svg", "png", "model-index")
"""What a report can be written as."""

_OF_ENDING = {".html": "html", ".htm": "html", ".md": "md", ".tex": "tex", ".csv": "csv",
".parquet": "parquet",
              ".json": "json"}  # fmt: skip
_UNSAFE = re.compile(r"[^\w.+-]+")


def formats_of(output: Path) -> tuple[str, ...]:
    """The format that a file's ending says. Raises DiversityEvalError if it says none."""
    found = _OF_ENDING.get(output.suffix.lower())
    if found is None:
        raise DiversityEvalError(
            f"{output}: cannot tell the format; expected a name that ends in {', '.join(_OF_ENDING)}, "
            "or --format"
        )
    return (found,)


def write_report(
    comparison: Comparison,
    output: Path,
    formats: Sequence[str],
    *,
    title: str = "Comparison",
    max_bytes: int = 20_000_000,
    progress: Callable[[str], None] = lambda stage: None,
) -> list[Path]:
    """Write a comparison; each file whole or not at all.

    Args:
        comparison: what is written.
        output: the page, `report.html`; other formats go beside it, under its name without the ending:
            `.md`, `.tex`, `.json`, `_cells.csv` with a line per number and `_values.csv` (or `.parquet`)
            with a line per prompt, figures into the folder `_figures`, model cards' metadata into
            `_model_index`.
        formats: of `FORMATS`.
        title: the report's.
        max_bytes: the page's size; responses beyond it go into a file beside.
        progress: told of each file.

    Returns:
        The files and folders that were written.

    Raises:
        DiversityEvalError: a file that cannot be written, or a library that is missing.
    """
    writers: dict[str, Callable[[], list[Path]]] = {
        "html": lambda: _html(comparison, output, title, max_bytes),
        "md": lambda: _text(output.with_suffix(".md"), _markdown(comparison)),
        "tex": lambda: _text(output.with_suffix(".tex"), _latex(comparison)),
        "json": lambda: _text(output.with_suffix(".json"), _json(comparison, title)),
        "csv": lambda: _frames(comparison, output, "csv"),
        "parquet": lambda: _frames(comparison, output, "parquet"),
        "svg": lambda: _figures(comparison, output, "svg"),
        "png": lambda: _figures(comparison, output, "png"),
        "model-index": lambda: _model_index(comparison, output),
    }
    written: list[Path] = []
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        for name in formats:
            progress(f"writing {name}")
            written += writers[name]()
    except OSError as error:
        raise DiversityEvalError(
            f"{error.filename or output}: cannot be written ({error.strerror or error})"
        ) from None
    return list(dict.fromkeys(written))


def _html(comparison: Comparison, output: Path, title: str, max_bytes: int) -> list[Path]:
    from importlib.util import find_spec

    from diversity_eval.report.document import document, response_sets
    from diversity_eval.report.figures import draw_figures
    from diversity_eval.report.page import write_page

    # A page without figures is worth more than none.
    figures = draw_figures(comparison) if find_spec("matplotlib") is not None else []
    page = output if output.suffix.lower() in (".html", ".htm") else output.with_suffix(".html")
    written = write_page(
        page, document(comparison, title=title), figures=figures,
        responses=response_sets(comparison), max_bytes=max_bytes,
    )  # fmt: skip
    return [page, *([written.beside] if written.beside is not None else [])]


def _markdown(comparison: Comparison) -> str:
    from diversity_eval.report.tables import markdown

    return markdown(comparison)


def _latex(comparison: Comparison) -> str:
    from diversity_eval.report.tables import latex

    return latex(comparison)


def _json(comparison: Comparison, title: str) -> str:
    from diversity_eval.report.document import document

    content = document(comparison, title=title)
    return json.dumps(content, indent=1, ensure_ascii=True, allow_nan=False) + "\n"


def _text(path: Path, content: str) -> list[Path]:
    write_text(path, content)
    return [path]


def _frames(comparison: Comparison, output: Path, kind: str) -> list[Path]:
    from diversity_eval.report.tables import cells_frame, tidy

    written = []
    for name, frame in (("cells", cells_frame(comparison)), ("values", tidy(comparison))):
        path = output.with_name(f"{output.stem}_{name}.{kind}")
        with replacing(path) as file:
            if kind == "csv":
                frame.to_csv(file, index=False)
            else:
                frame.to_parquet(file, index=False)
        written.append(path)
    return written


def _figures(comparison: Comparison, output: Path, kind: Literal["svg", "png"]) -> list[Path]:
    from diversity_eval.report.figures import draw_figures, save_figures

    folder = output.with_name(f"{output.stem}_figures")
    folder.mkdir(exist_ok=True)
    save_figures(draw_figures(comparison), folder, [kind])
    return [folder]


def _model_index(comparison: Comparison, output: Path) -> list[Path]:
    import yaml

    from diversity_eval.report.tables import model_index

    folder = output.with_name(f"{output.stem}_model_index")
    folder.mkdir(exist_ok=True)
    taken: set[str] = set()
    for row in comparison.rows:
        if row.members:
            continue
        name = stem = _UNSAFE.sub("_", row.label).strip("._") or "checkpoint"
        number = 2
        while name in taken:
            name, number = f"{stem}_{number}", number + 1
        taken.add(name)
        content = yaml.safe_dump(model_index(comparison, row.label), sort_keys=False, allow_unicode=True)
        write_text(folder / f"{name}.yaml", content)
    return [folder]
