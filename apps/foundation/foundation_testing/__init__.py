"""What the applications' tests share. It is in no image."""
