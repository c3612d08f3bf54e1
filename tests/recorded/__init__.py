"""Tests of the comparison of recorded data with the emulator."""
