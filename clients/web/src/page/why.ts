// Why a symbol is stale, for people: two or three words where there is room, and a sentence for tooltips.

const SENTENCES: ReadonlyMap<string, string> = new Map([
  ['events missing', 'Events of the feed never came'],
  ['bus lost', 'The gateway lost the bus, or the bus dropped something'],
  ['publisher changed', 'Another publisher took over the feed'],
  ['unreadable data', 'The feed sent what cannot be read'],
  ['feed silent', 'Nothing came from the feed in time'],
  ['feed behind', 'The publisher is behind its own sources'],
  ['older than asked', 'Current for others, but older than was asked for'],
  ['link lost', 'There is no connection to the gateway'],
  ['gateway silent', 'The gateway does not speak'],
]);

/** "Feed silent" as a sentence; the words themselves where there is none. */
export function sentence(words: string): string {
  return SENTENCES.get(words) ?? words;
}

/** What symbols are stale for, the most frequent first: "feed silent", "feed silent, 1 more"; and all with their counts. */
export function summary(reasons: string[]): { words: string; all: string } {
  const counts = new Map<string, number>();
  for (const words of reasons) counts.set(words, (counts.get(words) ?? 0) + 1);
  const sorted = [...counts].filter(([words]) => words !== '').sort((a, b) => b[1] - a[1]);
  const more = sorted.length > 1 ? `, ${sorted.length - 1} more` : '';
  const all = sorted.map(([words, count]) => `${count} ${words}: ${sentence(words)}.`).join(' ');
  return { words: `${sorted[0]?.[0] ?? ''}${more}`, all };
}
