"""Image registries come with many machines; on one machine the engine's own image store serves."""
