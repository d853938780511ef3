"""The report as one HTML file that opens from disk and asks the network for nothing."""

from diversity_eval.report.page.writing import PageFigure, Written, write_page

__all__ = ["PageFigure", "Written", "write_page"]
