"""What a learner meets in a notebook besides the subject: set-up, hints, the ledger, figures and explorers.

Import from the file that you need, `from racecourse.learn.ledger import ledger`: this room loads nothing by itself.
"""
