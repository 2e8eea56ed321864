"""What recipes read of a model: its parts, streams, branches, heads and recurrent layers."""
