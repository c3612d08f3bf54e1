"""`Table`: a table of text, for pages, terminals and Markdown."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Table:
    """A table of text; the first `words` columns are words, the others numbers."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: int = 1

    def markdown(self) -> str:
        """The table as GitHub's Markdown, numbers to the right."""
        rule = ["---" if i < self.words else "---:" for i in range(len(self.head))]
        lines = (self.head, tuple(rule), *self.rows)
        return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)

    def text(self) -> str:
        """The table in columns for a terminal."""
        lines = (self.head, *self.rows)
        widths = [max(len(line[i]) for line in lines) for i in range(len(self.head))]
        return "".join(f"{'  '.join(self._cells(line, widths)).rstrip()}\n" for line in lines)

    def _cells(self, line: tuple[str, ...], widths: list[int]) -> list[str]:
        return [
            cell.ljust(width) if i < self.words else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
