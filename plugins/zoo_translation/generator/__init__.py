"""Generated parallel text: numbers, dates and times as words in English and German."""
