"""A class of an instructor's own, from roster to marks: `racecourse class ...`.

`directory` is the class's private folder with its settings; the other files each do one thing with it: make one
(`making`), read rosters, hand out sets (`releasing`, `exchange`, `branch`), say how it stands (`status`), count late
days (`late`), export marks, go over to a newer course (`upgrading`), delete students (`forgetting`).
"""
