"""Which initialization for which network: the parts that ``fanin.guide.choosing`` is made of."""
