"""Hooks of plugins, and the registry of what they supply."""
