"""Graphs in compressed rows."""
