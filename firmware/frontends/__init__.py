"""Front ends: a model of any supported framework becomes hls4ml's `ModelGraph`."""
