"""Faults on purpose: what a platform's watching must find, put into the emulated cluster one by one."""
