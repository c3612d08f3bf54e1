"""Proofs of what a node of a circuit can be: linear relaxation, branch and bound, every bound checked in integers."""
