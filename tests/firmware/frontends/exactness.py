"""Re-exported for the tests of this folder."""

from exactness import check_exact, make_values

__all__ = ["check_exact", "make_values"]
