"""A source of images whose records are given as they are."""


class Records:
    """The records, of any sizes and values, as a source of images."""

    def __init__(self, *records):
        self.names = [str(index) for index in range(len(records))]
        self._records = records

    def __len__(self):
        return len(self._records)

    def __getitem__(self, index):
        return self._records[index]
