"""The words of Springtide as frozen data: no input or output, no clock, no third-party package."""
