"""Amazon EKS, emulated: state as plain data in the API's own shapes, functions named like the operations."""
