"""Results -> terminal, figures, page, JSON. Results themselves know nothing of these."""
