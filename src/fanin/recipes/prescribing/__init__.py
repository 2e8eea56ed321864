"""What ``recommend`` prescribes: rules from the way that a pass used each parameter."""
