"""The platform: settings, the ground floor (`msp.core`) and the top that composes the apps."""
