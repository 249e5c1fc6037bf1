"""What comes in wrong is refused in one clear sentence, and nothing is lost."""
