"""Thresholds at a rate and the jet energy scale of the trigger."""
