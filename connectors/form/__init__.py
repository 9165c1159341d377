"""The site form: any HTML form by its action, JSON from a script, and a generated form to embed."""
