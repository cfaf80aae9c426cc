"""A run: its config, what it is trained on, and the folder that it leaves. A guided reading, in the order of the calls:

1. `config` has the sections of a run's config, `bank_config` the section of its word vectors.
2. `source` is what the runs on one dataset share: the data, the backbone, and the tokens of a frozen one. It divides
   the training part, pretrains the backbone if the config asks for it, and scores the test part.
3. `training` trains or solves one model on a source, in memory.
4. `folder` does that in a run's folder: it starts or continues the run, and writes the results. `records` are the files
   that say what the run depends on, and `claims` keeps other commands out of the folder.
5. `saved` reads a folder again: its config, its word vectors, its model.

`zsl.fit` and `zsl train`, grids and calibration all go through these.
"""
