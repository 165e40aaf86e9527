"""Networks, data sets, training recipes, evaluation and the checkpoint store: a library and a command line."""

import os

# Before PyTorch is loaded: told to sleep while they wait for each other, its threads leave cores to whoever has work.
# Spinning threads are faster where nothing else runs (small matrix products by two thirds), and a hundred times as slow
# wherever two processes or pools share the cores, which bot, worker and trainings do.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
