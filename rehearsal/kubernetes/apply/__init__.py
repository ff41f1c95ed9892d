"""Field ownership, server-side apply and the patch formats."""
