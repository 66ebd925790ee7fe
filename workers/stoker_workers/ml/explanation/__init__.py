"""Why a model predicts what it does: importance of columns, and attributions of single predictions."""
