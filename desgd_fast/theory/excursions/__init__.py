"""Excursions of a stationary experiment: the chain that is watched, and how its excursions are multiplied."""
