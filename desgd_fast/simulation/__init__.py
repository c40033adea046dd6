"""Compiled simulation of many independent runs."""

from desgd_fast.simulation.results import Runs as Runs
from desgd_fast.simulation.running import simulate as simulate
from desgd_fast.simulation.trained import Training as Training
from desgd_fast.simulation.training import train as train
