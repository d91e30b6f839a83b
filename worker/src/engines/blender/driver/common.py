"""What every part of the driver shares."""


class Refused(Exception):
    """The scene cannot be rendered here; `kind` is the failure class as on the wire, `text` says why."""

    def __init__(self, kind, text):
        super().__init__(text)
        self.kind = kind
        self.text = text


def quoted_list(names, limit=8):
    """Names for a message: `'a', 'b' and 3 more`."""
    names = list(names)
    shown = ", ".join("'%s'" % name for name in names[:limit])
    return shown + (" and %d more" % (len(names) - limit) if len(names) > limit else "")
