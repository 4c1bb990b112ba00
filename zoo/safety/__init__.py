"""What a stranger's file must be before it is read: nothing that runs, points elsewhere or swells.

A bundle's hashes tell damage from what was saved, but whoever made the bundle made the
hashes. So its files are looked at before Keras and NumPy read them, and may hold only what
this package writes. :mod:`zoo.safety.files` is about folders, JSON and arrays,
:mod:`zoo.safety.networks` about `.keras` files.

Each check raises a :class:`zoo.StorageError` that says what was found. The classes of
installed plugins are trusted: to install a package is to run its code.
"""
