"""Pictures and volumes as references, whatever the kind of their files."""
