"""A plan: what each parameter gets; its writer, and its forms as text."""
