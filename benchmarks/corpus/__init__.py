"""Networks that train and networks that do not, told apart by training them."""
