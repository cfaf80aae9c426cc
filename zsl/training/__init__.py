"""Training on seen labels. A guided reading:

1. `config` holds the keys of `[train]`.
2. `loop` is the training: epochs of steps, validation after each, and the weights of the best epoch at the end.
   `step_labels` says which labels a step asks. `state` is all that changes from step to step, `checkpoint` keeps it on
   disk, and `history` records each epoch.
3. `rates` trains at several learning rates and keeps the best; `solving` is for readouts with a closed form.
4. `journal` has the name of a training, the folder of its checkpoints, and a function to call after each epoch.
"""
