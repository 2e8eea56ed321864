"""Rules that several of the named recipes share."""
