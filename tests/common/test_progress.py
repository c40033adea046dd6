"""Progress bars count what is done, without a trace in the result."""

import numpy as np

import desgd_fast as dsf

PROBLEM = dsf.GaussianRegression(dim=2)
SETTING = {"step_size": 0.2, "batch_size": 1, "rng": 0}


def test_simulation_counts_every_step_of_every_run(capsys):
    quiet = dsf.simulate(PROBLEM, np.eye(2), n_steps=50, n_runs=40, **SETTING)
    assert capsys.readouterr().err == ""
    shown = dsf.simulate(PROBLEM, np.eye(2), n_steps=50, n_runs=40, progress=True, **SETTING)
    assert "100%" in (text := capsys.readouterr().err)
    assert "2.00k/2.00k" in text
    np.testing.assert_array_equal(quiet.final, shown.final)


def test_theory_shows_the_moment_it_is_at(capsys):
    W = np.full((2, 2), 0.5)
    quiet = dsf.theory.moment_growth(PROBLEM, W, 1.0, **SETTING)
    assert capsys.readouterr().err == ""
    shown = dsf.theory.moment_growth(PROBLEM, W, 1.0, progress=True, **SETTING)
    assert "s = 1" in capsys.readouterr().err
    assert quiet.value == shown.value
