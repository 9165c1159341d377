"""The reference company: a supplier of equipment with a service business. A package only so that its tables install."""
