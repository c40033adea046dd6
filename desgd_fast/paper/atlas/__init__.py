"""An atlas of published systems: class, frontiers and tails, computed and measured."""
