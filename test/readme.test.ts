import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { test } from 'node:test';

const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');

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

for (const document of ['proof.md', 'directories.md', 'security.md'])
  test(`every test that ${document} names is there`, () => {
    const text = readFileSync(new URL(`../docs/${document}`, import.meta.url), 'utf8');
    const named = [
      ...text.matchAll(
        /`((?:access|cli|config|deploy|directory|engine|ledger|link|observability|planted|protocol|secrets|system|readme)\b[\w/*.-]*)`/g,
      ),
    ];
    const tests = named.map(([, name = '']) => name).filter((name) => name.includes('/') || name.endsWith('.live'));
    assert.ok(tests.length > 3);
    const cwd = new URL('.', import.meta.url);
    for (const name of tests) assert.notDeepEqual(globSync([name, `${name}.ts`, `${name}.{test,live}.ts`], { cwd }), [], name);
  });
