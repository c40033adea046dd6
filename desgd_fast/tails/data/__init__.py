"""Data that are not plain draws: whole numbers, weights, values cut off or censored."""
