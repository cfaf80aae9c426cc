"""A run: its config, what it is trained on, and the folder that it leaves. A guided reading, in the order of the calls:

1. `config` holds the sections of a run's config, `bank_config` the one of its word vectors.
2. `source` is what the runs on one dataset share: the data, the backbone, and the tokens of a frozen one. It divides
   the training part, pretrains the backbone where that is asked for, and scores the test part.
3. `training` trains or solves one model on a source, in memory.
4. `folder` does that in a run's folder: it begins or continues the run, and writes what comes of it; `records` are the
   files that say what the run depends on. `claims` keeps other commands out of the folder meanwhile.
5. `saved` reads a folder again: its config, its word vectors, its model.

`zsl.fit` and `zsl train`, grids and calibration all go through these.
"""
