"""tankwatch watches the pressure and temperature of oil-tank farms."""

__version__ = "0.1.0"
