"""The step loops."""
