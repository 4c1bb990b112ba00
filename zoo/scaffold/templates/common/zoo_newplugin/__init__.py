"""The `newplugin` domain for keras-domain-zoo."""
