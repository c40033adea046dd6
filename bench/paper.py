"""What a published figure costs and how near it comes: ``python -m bench.paper [NAME] [--quick]``."""

import argparse
import os
import resource
import time

from desgd_fast import paper

# Seconds on two cores for figure 7 left in full size.
GOAL = 480.0


def processor_seconds() -> float:
    """User and system time of this process and of its finished children."""
    usage = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(part.ru_utime + part.ru_stime for part in usage)


def main() -> None:
    """Do one figure again, in memory, and print its table and the time it took."""
    parser = argparse.ArgumentParser(prog="python -m bench.paper", description=__doc__)
    parser.add_argument("name", nargs="?", default="figure7-left", choices=list(paper.EXPERIMENTS))
    parser.add_argument("--quick", action="store_true", help="few points and runs")
    parser.add_argument("--workers", type=int, default=1, help="processes; 1 computes here with all threads")
    options = parser.parse_args()
    # What compiles or is imported the first time is not what a figure costs.
    paper.run(options.name, quick=True, workers=options.workers)
    load, wall, processor = os.getloadavg()[0], time.perf_counter(), processor_seconds()
    again = paper.run(options.name, quick=options.quick, workers=options.workers)
    wall, processor = time.perf_counter() - wall, processor_seconds() - processor
    print(again.table)
    cores = os.cpu_count() or 1
    print(
        f"{options.name}{' --quick' if options.quick else ''}: {wall:.0f} s by the clock, {processor:.0f} s "
        f"of processor, which is {processor / cores:.0f} s on each of {cores} cores; load before {load:.1f}"
    )
    if options.name == "figure7-left" and not options.quick:
        verdict = "met" if processor / cores <= GOAL else "MISSED"
        print(f"goal ≤ {GOAL:.0f} s on two cores: {verdict}")


if __name__ == "__main__":
    main()
