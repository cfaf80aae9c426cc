"""`zsl select`: ranks the variants of a grid, and blends of them, without a look at the test. A guided reading:

1. `plan` turns a grid into one of runs that each hold out a fold of the seen labels; `experiments.grids` trains them.
2. `cells` reads the scores of these runs: one cell for each fold and seed, with every variant's scores.
3. `candidates` are what is ranked: a variant with a normalisation of scores, or a blend of several variants.
4. `precision` computes the AP of each label under each candidate, `ranking` the criteria and their intervals.
5. `search` proposes blends step by step.
6. `choice` writes the ranking, and the config of the best candidate for `zsl train`.
7. `checking` compares rankings with what the same candidates have on the test set.
"""
