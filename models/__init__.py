"""Networks, data sets, training recipes, evaluation and the checkpoint store: a library and a command line."""

import os

# Before PyTorch is loaded: told to sleep while they wait for each other, its threads leave cores to whoever has work.
# Spinning gains a few microseconds alone, and loses a hundredfold wherever two processes or pools share the cores.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
