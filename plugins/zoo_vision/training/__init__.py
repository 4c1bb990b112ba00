"""What training needs: varied views, and losses with the assignment of their targets."""
