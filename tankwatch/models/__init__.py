"""Networks and their training: the only importer of tensorflow, and only in the training child."""
