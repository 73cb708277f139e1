"""The commands of `sms-analytics`, a module for each group; `deploy.cli` puts them together."""
