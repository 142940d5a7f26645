"""Pictures of results: of paper, in the terminal and in the browser; the colours and quantities are those of all."""
