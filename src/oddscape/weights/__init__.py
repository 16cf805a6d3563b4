"""Weights that others have released: where they lie, a cache of them, and turning them into safetensors."""
