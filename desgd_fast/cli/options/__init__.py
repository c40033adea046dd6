"""Options that commands share: problems, graphs, algorithms, and how they are given."""
