/** Of the known names, the one that takes the fewest changes of a letter to come to; '' where none is known. */
export function nearestName(name: string, known: readonly string[]): string {
  let nearest = '';
  let least = Number.POSITIVE_INFINITY;
  for (const candidate of known) {
    // It takes at least as many changes as the one is longer than the other.
    if (Math.abs(name.length - candidate.length) >= least) continue;
    const distance = editDistance(name, candidate);
    if (distance < least) {
      least = distance;
      nearest = candidate;
    }
  }
  return nearest;
}

/** What is expected in the place of an unknown name: the nearest where it may have been meant, else each of the known ones. */
export function expectedName(name: string, known: readonly string[]): string {
  const nearest = nearestName(name, known);
  return editDistance(name, nearest) * 2 <= Math.max(name.length, nearest.length)
    ? `a known name; did you mean ${nearest}?`
    : `a known name, which are here ${known.join(', ')}`;
}

/** Levenshtein's distance; both texts are cut at 256 characters, far beyond any name. */
function editDistance(one: string, other: string): number {
  const columns = other.slice(0, 256);
  let above = Array.from({ length: columns.length + 1 }, (_, column) => column);
  for (const [row, char] of Array.from(one.slice(0, 256)).entries()) {
    const current = [row + 1];
    for (let column = 1; column <= columns.length; column += 1) {
      const replaced = (above[column - 1] ?? 0) + (columns.charAt(column - 1) === char ? 0 : 1);
      current.push(Math.min(replaced, (above[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1));
    }
    above = current;
  }
  return above[columns.length] ?? 0;
}
