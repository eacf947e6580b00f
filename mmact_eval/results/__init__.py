"""From run folders to numbers, comparisons and reports."""
