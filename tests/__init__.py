"""Tests of what people see: real sockets, small real models."""
