"""The semantics of create, update, patch and delete, the same for every kind."""
