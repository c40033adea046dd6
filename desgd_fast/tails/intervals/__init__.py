"""Intervals of tail indices: classical ones, and the one that counts the bias."""
