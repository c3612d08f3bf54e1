"""Test-vector files: the words of events on links, clock by clock, as hardware test stands play and capture them."""
