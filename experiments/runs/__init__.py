"""Single runs of the commands; the library's part is `zsl.runs`.

`train` is `zsl train`: it claims the run's folder (`zsl.runs.claims`), checks all that can be checked, and trains.
`measurement` is the test of a run: it opens the folder, measures, and saves a `Result` (`result`) with sample pictures
(`samples`) and the worst errors (`error_search`, `errors`), whose pictures `pictures` makes. `folds` trains models
without some seen labels, for `seen_bias`, which is `zsl calibrate-gzsl`, and for `thresholds`, which is
`zsl threshold`. `extraction` is `zsl data extract`.
"""
