"""The plain truth in NumPy and SciPy: imports nothing of the package."""
