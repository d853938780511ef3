"""The comparison as tables: Markdown, LaTeX, pandas frames, and a model card's metadata."""

from diversity_eval.report.tables.frames import cells_frame, tidy
from diversity_eval.report.tables.latex import latex
from diversity_eval.report.tables.layout import Table, tables_of
from diversity_eval.report.tables.markdown import markdown
from diversity_eval.report.tables.model_card import model_index

__all__ = ["Table", "cells_frame", "latex", "markdown", "model_index", "tables_of", "tidy"]
