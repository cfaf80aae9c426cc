"""Grids of runs: `zsl ablate` from its table to its figures. A guided reading, in the order of the calls:

1. `paper_tables` holds the tables that have a name, `grid_file` reads one from a user's TOML file. A table is an
   `Ablation` of `Variant`s (`variants`); over a config and seeds it becomes a `Grid` of `Run`s (`grid`), each with a
   whole, checked config.
2. `folder` is the grid's folder. It holds the whole state of the grid: which runs are finished, failed or started.
3. `driver` is what the command calls. It checks all that can be checked before the first run, makes what runs share
   (`shared_folder`: the backbone, its tokens, the banks), and writes a `Job` for each run that is left.
4. `run_queue` hands the jobs to an executor, and repeats those whose process died or whose disk was full. It keeps
   `results.json` up to date.
5. An executor decides where jobs run: in this process or in a pool on this machine (`executors`), or on a Ray
   cluster (`ray_cluster`).
6. `job` executes one run in any of these places: it takes the run's lock, trains, tests, and returns an `Outcome`. If
   several processes train the run together, `torchrun` starts each of them as a `torchrun_worker`.
"""
