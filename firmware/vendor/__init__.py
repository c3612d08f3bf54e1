"""Vendor tools: complete projects for them, scripts that build these, and what their reports say."""
