"""What every domain of named classes shares: task, preprocessing, loaders, checks and metrics.

A plugin subclasses :class:`zoo.Classification` and :class:`zoo.ClassPreprocessing`, and for
its data :class:`zoo.LabelledFiles` or :class:`zoo.LabelledRows`; what is left to it is what
its examples are made of, and its architectures.
"""
