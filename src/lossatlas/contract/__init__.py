"""What every registered loss has to keep, read from its card: laws, and who runs them.

`laws` holds one function a law, `suite` the cases of a loss, the command `lossatlas test` and the
ledger of verified losses. The project's own tests run the same cases.
"""
