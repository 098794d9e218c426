"""What the other packages agree on; imports none of them."""
