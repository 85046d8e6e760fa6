"""Google's places, as the program and the local cloud both know them: facts, which import nothing of either."""
