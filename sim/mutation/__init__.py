"""Mutation testing of the verification bench: faulty RTL, and what the bench's vectors and scoreboard find of it."""
