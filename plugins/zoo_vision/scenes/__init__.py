"""Generated scenes: textured pictures with shapes of many sizes."""
