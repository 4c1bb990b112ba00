"""COCO's figures, the analysis of mistakes, the report's figures, and baselines."""
