"""How good ``fanin.recommend`` is: against the model's own default and the named recipes."""
