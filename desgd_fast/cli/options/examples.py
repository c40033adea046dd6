"""What stands at the end of every ``--help``: command lines to copy, each with what it is for."""

EXAMPLES: dict[str, tuple[tuple[str, str], ...]] = {
    "run": (
        ("desgd-fast run", "a ring of 8 nodes, in seconds"),
        ("desgd-fast run --data examples/diabetes.csv --target target", "least squares on a table"),
        ("desgd-fast run --graph star --n-nodes 16 --step-size 0.3 --json", "the result for a program"),
        ("desgd-fast run --config examples/diabetes.toml", "every choice written down in a file"),
    ),
    "tail": (
        ("desgd-fast tail examples/diabetes.csv --column target", "several estimators side by side"),
        ("desgd-fast tail losses.csv --estimator hill --k 0.05", "Hill's, from the largest 5 %"),
        ("desgd-fast tail - --no-picture --json < losses.csv", "from a pipe, for a program"),
    ),
    "alpha": (
        ("desgd-fast alpha --dim 2 --batch-size 1 --step-size 0.3:0.6:7", "a curve on the ring"),
        (
            "desgd-fast alpha --data examples/diabetes.csv --target target --batch-size 1 --step-size 0.118",
            "the tail index of real data, and the row that makes it",
        ),
        ('desgd-fast alpha --algorithm "heavy_ball(0.9)" --step-size 0.03,0.04', "momentum"),
        ("desgd-fast alpha --plot cycle.png --published", "the published curve beside the computed one"),
    ),
    "frontier": (
        ("desgd-fast frontier --dim 2 --batch-size 1 --graph star", "step sizes to stay below"),
        ("desgd-fast frontier --data examples/diabetes.csv --target target --batch-size 1", "of real data"),
        (
            'desgd-fast frontier --mixing "link_failures(0.3)" --delay 2',
            "of links that fail, and late replies",
        ),
        ("desgd-fast frontier --graph hypercube --plot windows.png", "the windows as a picture"),
    ),
    "sweep": (
        ("desgd-fast sweep examples/sweep.toml --dry-run", "what it would cost"),
        ("desgd-fast sweep examples/sweep.toml --workers 4", "compute it"),
        ("desgd-fast sweep examples/sweep.toml --resume", "go on after whatever stopped it"),
    ),
    "show": (
        ("desgd-fast show desgd-fast-sweep.zarr", "a table"),
        ("desgd-fast show desgd-fast-sweep.zarr -y alpha -x step_size --plot alpha.png", "a picture"),
    ),
    "paper": (
        ("desgd-fast paper figure7-left --quick", "a look, in a minute"),
        ("desgd-fast paper figure3i --preset corrected --workers 2", "as the text has it"),
    ),
    "atlas": (
        ("desgd-fast atlas --quick", "a look at every system"),
        ("desgd-fast atlas --only DE-SGD --only Krum", "two of them, side by side"),
    ),
    "doctor": (
        ("desgd-fast doctor", "paste it into a bug report"),
        ("desgd-fast doctor --json", "for a program"),
    ),
}


def epilog(command: str) -> str:
    """The examples of a command as Markdown; the command line renders each paragraph as one line."""
    return "\n\n".join(["Examples:", *(f"- `{line}` – {what}" for line, what in EXAMPLES[command])])
