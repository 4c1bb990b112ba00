"""Medical imaging: classification and segmentation with what a clinic would ask."""
