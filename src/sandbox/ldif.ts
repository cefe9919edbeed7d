/** An entry as a directory gave it. Attribute names are in lower case; values are text, but for those of Active Directory's ids. */
export type Entry = { dn: string; attributes: Map<string, string[]> };

/**
 * The entries of an LDIF content file (RFC 2849), as `ldapsearch` prints it: folded lines, base64 values and comments are
 * understood, change records and `:<` references are not.
 */
export function parseLdif(text: string): Entry[] {
  const unfolded = text.replace(/\r\n/g, '\n').replace(/\n /g, '');
  return unfolded.split(/\n{2,}/).flatMap((record) => {
    const lines = record.split('\n').flatMap(parseLine);
    const [first, ...rest] = lines;
    if (first === undefined || first.name !== 'dn') return [];
    const attributes = new Map<string, string[]>();
    for (const { name, value } of rest) attributes.set(name, [...(attributes.get(name) ?? []), value]);
    return [{ dn: first.value, attributes }];
  });
}

/** One LDIF content record with the empty line that ends it. Values are base64 unless they are SAFE-STRINGs (RFC 2849). */
export function formatEntry(dn: string, attributes: readonly (readonly [name: string, value: string])[]): string {
  return `${[['dn', dn] as const, ...attributes].map(([name, value]) => formatLine(name, value)).join('\n')}\n\n`;
}

function formatLine(name: string, value: string): string {
  // A trailing space is legal and gets lost in editors, so RFC 2849 wants it encoded too.
  const isSafe = /^(?![ :<])[\x20-\x7e]*$/.test(value) && !value.endsWith(' ');
  return isSafe ? `${name}: ${value}` : `${name}:: ${Buffer.from(value).toString('base64')}`;
}

/** Bytes that are no text: their values stay in base64. */
const binaryAttributes: ReadonlySet<string> = new Set(['objectguid', 'objectsid', 'ntsecuritydescriptor']);

function parseLine(line: string): { name: string; value: string }[] {
  const match = /^([^#:][^:]*):(:?) ?(.*)$/.exec(line);
  if (match === null) return [];
  const [, spelt = '', encoded, value = ''] = match;
  const name = spelt.toLowerCase();
  const bytes = Buffer.from(value, encoded === ':' ? 'base64' : 'utf8');
  return [{ name, value: bytes.toString(binaryAttributes.has(name) ? 'base64' : 'utf8') }];
}
