"""Recipes, quantisation-aware trainers and metrics."""
