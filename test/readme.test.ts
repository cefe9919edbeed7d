import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { loadConfig } from '../src/config/load-config.ts';
import { NOT_YET_SUPPORTED, SUPPORTED } from '../src/config/variables.ts';

const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');

/** The text beneath a heading of the second level. */
function section(title: string): string {
  const found = readme.split(/^## /m).find((part) => part.startsWith(`${title}\n`));
  assert.ok(found !== undefined, `README.md has no section "${title}"`);
  return found;
}

/** The rows of the configuration table: the variables of the first column, and the text of the second. */
const rows = [...section('Configuration').matchAll(/^\| (`.+?) \| (.*?) \| .* \|$/gm)].map(([, names = '', shown = '']) => ({
  variables: [...names.matchAll(/`([A-Z_]+)`/g)].map(([, name = '']) => name),
  shown,
}));

test("README's configuration table has every supported variable once, and no other", () => {
  assert.deepEqual(rows.flatMap(({ variables }) => variables).toSorted(), [...SUPPORTED].toSorted());
});

test('README names every variable that is refused as not yet supported, and no other', () => {
  const [, list = ''] = /^Documented for later versions,[^:]*:([^;]*);/m.exec(section('Configuration')) ?? [];
  const named = [...list.matchAll(/`([A-Z_]+)`/g)].map(([, name = '']) => name);
  assert.deepEqual(named.toSorted(), [...NOT_YET_SUPPORTED].toSorted());
});

test('a default that README shows is what an unset variable means', () => {
  const least = {
    LATCHKEY_CONTROL_PLANE_URL: 'wss://control.example.com/connect',
    LATCHKEY_CONTROL_PLANE_TOKEN: 'token',
    LDAP_URL: 'ldaps://ldap.example.com',
    LDAP_BIND_DN: 'cn=latchkey,dc=example,dc=com',
    LDAP_BIND_PASSWORD: 'password',
  };
  // Secrets are functions, which JSON leaves out.
  const loaded = (environment: Record<string, string>) => JSON.stringify(loadConfig({ environment, terminal: false }));
  const defaults = rows.flatMap(({ variables, shown }) => {
    const [, value] = /^`([^`]+)`$/.exec(shown) ?? [];
    return value === undefined ? [] : variables.map((name) => ({ name, value }));
  });
  assert.ok(defaults.length > 10);
  for (const { name, value } of defaults) assert.equal(loaded({ ...least, [name]: value }), loaded(least), name);
});

test('every file that README links to is there, and every heading', () => {
  const targets = [...readme.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target);
  assert.ok(targets.length > 3);
  const headings = [...readme.matchAll(/^#+ (.+)$/gm)].map(([, title = '']) => `#${title.toLowerCase().replaceAll(' ', '-')}`);
  for (const target of targets) {
    const isThere = target.startsWith('#')
      ? headings.includes(target)
      : existsSync(new URL(`../${target.replace(/#.*$/, '')}`, import.meta.url));
    assert.ok(isThere, target);
  }
});

for (const document of ['proof.md', 'directories.md'])
  test(`every test that ${document} names is there`, () => {
    const text = readFileSync(new URL(`../docs/${document}`, import.meta.url), 'utf8');
    const named = [
      ...text.matchAll(/`((?:access|cli|directory|engine|ledger|link|planted|protocol|system|readme)\b[\w/*.-]*)`/g),
    ];
    const tests = named.map(([, name = '']) => name).filter((name) => name.includes('/') || name.endsWith('.live'));
    assert.ok(tests.length > 10);
    const cwd = new URL('.', import.meta.url);
    for (const name of tests) assert.notDeepEqual(globSync([name, `${name}.ts`, `${name}.{test,live}.ts`], { cwd }), [], name);
  });
