"""Tables of numbers in files, whoever wrote them."""
