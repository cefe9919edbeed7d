import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readDotenv } from '../../src/config/dotenv.ts';
import { loadConfig } from '../../src/config/load-config.ts';

const OPEN = 'a quote in the .env file that is not closed at the end of its line';
const problemsOf = (text: string) => readDotenv(text, {}).problems.map(({ variable, found }) => [variable, found]);

test('a quote that is left open is a problem, not a protected group of another name', () => {
  for (const value of [
    '"Payroll',
    "'Payroll;Domain Admins",
    '`Payroll',
    '"Payroll\\',
    '"Payroll" "Domain Admins',
    '"C# Admins;Payroll',
  ]) {
    const text = `LATCHKEY_PROTECTED_GROUPS=${value}\nLDAP_DOMAIN=a.example\n`;
    assert.deepEqual(problemsOf(text), [['LATCHKEY_PROTECTED_GROUPS', OPEN]], value);
    assert.deepEqual(readDotenv(text, {}).variables, { LDAP_DOMAIN: 'a.example' });
  }
});

test("a value that goes on to another line is nobody's, and the lines that it took are told", () => {
  for (const [opened, closed] of [
    ['"cn=x', '"'],
    ["'cn=x", "'"],
    // An escape, as dotenv has it, though the line looks whole.
    ['"cn=x\\"', '"'],
    // dotenv looks for a value on the next line, too.
    ['', ''],
  ]) {
    const rest = opened === '' ? '\n"LDAP_BIND_PASSWORD=open-sesame"' : `${opened}\nLDAP_BIND_PASSWORD=open-sesame${closed}`;
    const { variables, problems } = readDotenv(`LDAP_BIND_DN=${rest}\nLDAP_DOMAIN=a.example\n`, {});
    assert.deepEqual([problems[0]?.variable, problems[0]?.found], ['LDAP_BIND_DN', OPEN], rest);
    assert.deepEqual(variables, { LDAP_DOMAIN: 'a.example' });
    assert.ok(!JSON.stringify(problems).includes('open-sesame'));
  }
});

test('no problem of another variable tells the secret that an open quote swallowed', () => {
  const dotenvText = 'LDAP_BIND_DN="\r\nLDAP_BIND_PASSWORD=open-sesame\r\nSYNC_TIMEZONE=Europe/Berlin\r\nLDAP_URL=" ';
  const loaded = loadConfig({ environment: {}, dotenvText, terminal: false });
  assert.ok(!loaded.ok);
  assert.deepEqual(
    loaded.problems.filter(({ found }) => found.includes('.env')).map(({ variable }) => variable),
    ['LDAP_BIND_DN', 'LDAP_BIND_PASSWORD', 'SYNC_TIMEZONE', 'LDAP_URL'],
  );
  assert.ok(!JSON.stringify(loaded.problems).includes('open-sesame'));
});

test('quotes that end with their value, inside a value, or in lines of other programs are nothing to speak of', () => {
  const text = [
    '\ufeffLDAP_DOMAIN = "a.example" # a comment with a "',
    "export LDAP_BIND_DN='cn=O\"Brien,dc=x'\t",
    "LDAP_USERS_SCOPE=ou=O'Brien,dc=x",
    'LDAP_BIND_PASSWORD="two\\nlines"',
    'OTHER="-----BEGIN\nEND-----"',
  ].join('\r\n');
  const { variables, problems } = readDotenv(text, {});
  assert.deepEqual(problems, []);
  assert.deepEqual(variables, {
    LDAP_DOMAIN: 'a.example',
    LDAP_BIND_DN: 'cn=O"Brien,dc=x',
    LDAP_USERS_SCOPE: "ou=O'Brien,dc=x",
    LDAP_BIND_PASSWORD: 'two\nlines',
    OTHER: '-----BEGIN\nEND-----',
  });
});

test('a line that names a variable of ours and sets none is a problem, whatever stands before the name', () => {
  for (const line of [
    'set LDAP_USERS_SCOPE=ou=people,dc=x',
    '"LDAP_USERS_SCOPE=ou=people,dc=x"',
    '- LDAP_USERS_SCOPE=ou=people,dc=x',
    '; LDAP_USERS_SCOPE=ou=people,dc=x',
    'LDAP_USERS_SCOPE ou=people,dc=x',
    'export LDAP_USERS_SCOPE',
  ])
    assert.deepEqual(problemsOf(`${line}\n`), [['LDAP_USERS_SCOPE', 'a line in the .env file that cannot be read']], line);
  assert.deepEqual(problemsOf('LDAP_DOMAIN=a.example\nset LDAP_DOMAIN=b.example\n').length, 1);
  for (const line of ['# LDAP_USERS_SCOPE=x', 'NOTE=see LDAP_USERS_SCOPE', 'a note # on LDAP_USERS_SCOPE', 'MY_LDAP_URL x'])
    assert.deepEqual(problemsOf(`${line}\n`), [], line);
});

test('a list of quoted names, and a quote that is escaped, are problems: no pair of quotes is taken off, or only a part is read', () => {
  for (const value of ['"C# Admins";"Payroll"', '"Payroll";"Domain Admins"', "'it\\'s'", '"a\\"b"', '"a"b"', '"a" "b"'])
    assert.deepEqual(
      problemsOf(`LATCHKEY_PROTECTED_GROUPS=${value}\n`),
      [['LATCHKEY_PROTECTED_GROUPS', 'a value in the .env file with the same quote inside as around it']],
      value,
    );
});

test('a second variable on a line is a problem, and not a part of the value of the first', () => {
  for (const between of [' ', '=', ';', '\ufeff', ' export ']) {
    const { variables, problems } = readDotenv(`LDAP_BIND_DN=cn=x${between}LDAP_BIND_PASSWORD=open-sesame\n`, {});
    assert.deepEqual(
      problems.map(({ variable, found }) => [variable, found]),
      [
        ['LDAP_BIND_DN', 'another variable on its line in the .env file'],
        ['LDAP_BIND_PASSWORD', 'a line in the .env file that cannot be read'],
      ],
      between,
    );
    assert.deepEqual(variables, {});
  }
  assert.deepEqual(readDotenv('LDAP_BIND_DN=LDAP_BIND_PASSWORD=open-sesame', {}).variables, {});
  for (const line of ['TZ=UTC LDAP_USERS_SCOPE=ou=people,dc=x', 'TZ=UTC; export LDAP_USERS_SCOPE="ou=people,dc=x" # people'])
    assert.deepEqual(problemsOf(`${line}\n`), [['LDAP_USERS_SCOPE', 'a line in the .env file that cannot be read']], line);
  for (const line of ['LATCHKEY_NAME=site # or LDAP_USERS_SCOPE=x', 'LATCHKEY_NAME="site LDAP_URL=x"', 'TZ=UTC MY_LDAP_URL=x'])
    assert.deepEqual(problemsOf(`${line}\n`), [], line);
});

test('a value that goes on behind a "\\" at the end of its line is a problem, and not one that ends there', () => {
  const text = 'LATCHKEY_PROTECTED_GROUPS=Payroll;\\\n  Domain Admins\nLDAP_DOMAIN=a.example\n';
  assert.match(problemsOf(text).join(), /^LATCHKEY_PROTECTED_GROUPS,a "\\" at the end of a line/);
});

test('DOMAIN\\name in double quotes is a problem where dotenv reads a line break in it, but for a secret, which may have one', () => {
  const found = 'a \\n or \\r in double quotes in the .env file, which is a line break there';
  for (const variable of ['LDAP_BIND_DN', 'LATCHKEY_PROTECTED_GROUPS'])
    for (const name of ['reader', 'nobody']) assert.deepEqual(problemsOf(`${variable}="CORP\\${name}"\n`), [[variable, found]]);
  for (const line of ["LDAP_BIND_DN='CORP\\reader'", 'LDAP_BIND_DN=CORP\\reader', 'LDAP_BIND_DN="CORP\\admin"'])
    assert.deepEqual(problemsOf(`${line}\n`), [], line);
});

test('a file that is not in UTF-8 is a problem, since names in it are others or none; only a comment may be so', () => {
  const read = (encoding: 'utf16le' | 'latin1', text: string) => problemsOf(Buffer.from(text, encoding).toString('utf8'));
  const problem = [['.env', 'a file that is not written in UTF-8']];
  assert.deepEqual(read('utf16le', '\ufeffLATCHKEY_PROTECTED_GROUPS=Payroll\r\n'), problem);
  assert.deepEqual(read('latin1', 'LATCHKEY_PROTECTED_GROUPS=Löhne\n'), problem);
  assert.deepEqual(read('latin1', '# für alle\nLATCHKEY_PROTECTED_GROUPS=Payroll\n'), []);
});

test('a "#" within a comment is nothing to speak of', () => {
  for (const line of ['LATCHKEY_NAME=site # see issue#5', 'LATCHKEY_NAME=site ## C#', 'LATCHKEY_NAME=site\t#a#b'])
    assert.deepEqual(readDotenv(`${line}\n`, {}), { variables: { LATCHKEY_NAME: 'site' }, problems: [] }, line);
});

test('a line with a byte order mark before it is judged like any other', () => {
  assert.match(problemsOf('\ufeffLATCHKEY_PROTECTED_GROUPS=C#\n').join(), /^LATCHKEY_PROTECTED_GROUPS,a "#"/);
});

test('what the environment gives another value is not judged', () => {
  const text = 'LDAP_DOMAIN="a.example\nLDAP_DOMAIN=b.example\n';
  assert.deepEqual(readDotenv(text, { LDAP_DOMAIN: 'c.example' }).problems, []);
});
