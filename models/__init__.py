"""Networks, data sets, training recipes, evaluation and the checkpoint store: a library and a command line."""
