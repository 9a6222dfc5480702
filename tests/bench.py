"""Measure, in one run on one machine: the generator, the notebooks, and each fast form against its plain loop.

`make bench`. Measures only; what must hold is in the tests. A test module offers its loops in a list BENCHMARKS of
(name, plain function, fast function, arguments, tolerance); both get the same arguments and must agree.
"""

import importlib
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "data"), str(ROOT / "tests")]

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # threads that wait would slow the plain loops most

import generate_data  # noqa: E402
import numpy as np  # noqa: E402

import run  # noqa: E402

CHILD = """
import sys, time; sys.path[:0] = sys.argv[3:]
import generate_data
from bench_scale import peak_megabytes
start = time.perf_counter(); generate_data.write_logs(sys.argv[1], n_users=int(sys.argv[2]))
print(time.perf_counter() - start, peak_megabytes())
"""


def draws_alone(n_users):
    """Seconds that the random draws of a dataset take, with nothing done to them."""
    rng, start = np.random.default_rng(42), time.perf_counter()
    rng.choice(3, size=n_users, p=(0.55, 0.30, 0.15))
    rng.integers(0, 50, n_users), rng.integers(0, 52, n_users), rng.beta(5, 2, n_users)
    for _ in range(4):
        rng.random(n_users), rng.normal(0, 1, n_users)
    return time.perf_counter() - start


def bench_generator(folder):
    print(f"{'users':>10} {'seconds':>9} {'of it generate':>15} {'of it draws':>12} {'peak MB':>8}")
    for n_users in (50_000, 500_000, 5_000_000):
        out = folder / "bench.csv"
        child = [sys.executable, "-c", CHILD, str(out), str(n_users), str(ROOT / "data"), str(ROOT / "tests")]
        seconds, peak = map(float, subprocess.run(child, capture_output=True, text=True, check=True).stdout.split())
        out.unlink()
        start = time.perf_counter()
        for _ in generate_data._draw_blocks(42, n_users, generate_data.World()):
            pass
        generating = time.perf_counter() - start
        share, draws = generating / seconds, draws_alone(n_users) / seconds
        print(f"{n_users:>10,} {seconds:>9.2f} {share:>15.0%} {draws:>12.0%} {peak:>8.0f}")


def best(function, arguments, times):
    """(result, least seconds over some runs)."""
    least = np.inf
    for _ in range(times):
        start = time.perf_counter()
        result = function(**arguments)
        least = min(least, time.perf_counter() - start)
    return result, least


def bench_loops():
    print(f"{'loop':<48} {'plain s':>9} {'fast s':>9} {'ratio':>8} {'difference':>11}")
    for path in sorted((ROOT / "tests").glob("test_[0-9][0-9]_*.py")):
        for name, plain, fast, arguments, tolerance in getattr(importlib.import_module(path.stem), "BENCHMARKS", []):
            expected, slow = best(plain, arguments, 1)
            got, quick = best(fast, arguments, 3)
            difference = float(np.max(np.abs(np.asarray(got) - np.asarray(expected))))
            assert difference <= tolerance, f"{name}: results differ by {difference}"
            print(f"{name:<48} {slow:>9.3f} {quick:>9.4f} {slow / quick:>8.0f} {difference:>11.1e}")


def main():
    print(f"Python {platform.python_version()}, NumPy {np.__version__}, {os.cpu_count()} cores, {platform.machine()}\n")
    bench_generator(ROOT / "data")
    print("\nNotebooks, imports and kernel start included")
    run.cores = lambda: 1  # one at a time: its seconds are its own
    for notebook, result in run.run_notebooks(every=True).items():
        print(f"{notebook.parent.name:<48} {result['seconds']:>9.1f} s")
    print()
    bench_loops()


if __name__ == "__main__":
    main()
