"""The HTTP routes: parameters in, an answer module asked, a model out. No logic lives here."""
