"""What a user does with a recipe or a bundle: check data, train, evaluate, predict, report."""
