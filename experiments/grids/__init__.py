"""Grids of runs: `zsl ablate` from its table to its figures. A guided reading, in the order of the calls:

1. `paper_tables` holds the tables that have a name, `grid_file` reads one from a user's TOML file. A table is an
   `Ablation` of `Variant`s (`variants`); over a config and seeds it becomes a `Grid` of `Run`s (`grid`), each with a
   whole, checked config.
2. `folder` is the grid's folder, which holds all that is known of its state: what is finished, failed, begun.
3. `driver` is what the command calls. It checks all that can be known before the first run, makes what runs share
   (`shared_folder`: the backbone, its tokens, the banks), and writes a `Job` for each run that is left.
4. `run_queue` hands the jobs to an executor, and again those whose process died or whose disk was full. It keeps
   `results.json` up to date.
5. An executor says where jobs are done: in this process or in a pool of this machine's (`executors`), or on a Ray
   cluster (`ray_cluster`).
6. `job` does one run, wherever that is: it takes the run's lock, trains, tests, and returns an `Outcome`. A run that
   several processes train together is started by `torchrun`, each process as a `torchrun_worker`.
"""
