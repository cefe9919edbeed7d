import { z } from 'zod';
import { policySchema } from '../src/config/policy-schema.ts';
import type { VariableRow } from '../src/config/variables/row.ts';
import { NOT_YET_SUPPORTED, VARIABLE_GROUPS } from '../src/config/variables.ts';
import { configSchema } from './config-schema.ts';

/** Every file that is made of the tables of variables, by its path from the top of the project. */
export function configDocs(): ReadonlyMap<string, string> {
  return new Map([
    ['docs/configuration.md', reference()],
    ['docs/configuration.schema.json', `${JSON.stringify(configSchema(), null, 2)}\n`],
    ['docs/policy.schema.json', `${JSON.stringify(policyFileSchema(), null, 2)}\n`],
    ['.env.example', dotenvExample()],
  ]);
}

/** What may be written into a policy file, as a JSON Schema (2020-12). */
function policyFileSchema(): Readonly<Record<string, unknown>> {
  const { $schema, ...schema } = z.toJSONSchema(policySchema, { io: 'input' });
  return {
    $schema,
    $comment: 'Made of src/config/policy-schema.ts by scripts/write-config-docs.ts; edit that.',
    ...schema,
  };
}

const INTRODUCTION = `# Configuration

<!-- Made of the tables in src/config/variables/ by scripts/write-config-docs.ts; edit those. -->

All configuration is environment variables, or a \`.env\` file in the working directory; the environment wins.
[.env.example](../.env.example) is such a file, with every variable in it: copy it to \`.env\`, fill in what is not commented out, and ask
\`latchkey check\` (in a clone: \`npm start -- check\`) whether it is right. [configuration.schema.json](configuration.schema.json) says the same as a JSON Schema
(2020-12), for editors and pipelines.

- A bad configuration prints **every** problem at once, each with what was found and what is expected, and exits 78. The value of a
  secret is never shown.
- A variable whose name begins with \`LATCHKEY_\`, \`LDAP_\` or \`SYNC_\` and that is not known is an error, so that a mistyped scope does not
  widen what is written. Names that Kubernetes gives services (\`LDAP_SERVICE_HOST\`, \`LDAP_PORT_636_TCP\` and the like) are passed over.
- Durations are \`500ms\`, \`30s\`, \`15m\`, \`8h\`, \`7d\`. Lists are separated by \`;\`; \`\\;\` is a semicolon that belongs to a name.
- A **secret** is best given as a file, by the variable that ends in \`_FILE\`: a file can be replaced while the connector runs. One line
  break at its end is not part of it. Both variables at once are an error. Instead of itself it may be said where it is:
  \`credential:NAME\` (systemd) or \`vault:MOUNT/data/PATH#FIELD\` (HashiCorp Vault), see [Secrets](security.md#secrets). \`credential:NAME\`
  may also stand for the path of a file, as in \`LDAP_KEY_FILE=credential:ldap-key\`.
- In \`.env\`, a value with a \`#\` stands in quotes, of a kind that is not in it and closed on its line, and each variable has one line of
  its own. Between double quotes \`\\n\` and \`\\r\` are line breaks, so \`DOMAIN\\name\` stands in single ones or none. What would be cut
  off, lost or changed is an error, and so is a file that is not in UTF-8.
- SIGHUP reads \`.env\` and all files again, all or nothing ([operations](operations.md#new-files)). What the real environment gives keeps its value.`;

function reference(): string {
  const groups = VARIABLE_GROUPS.map(({ title, rows }) => {
    const lines = Object.entries<VariableRow<unknown>>(rows).map(
      ([name, row]) =>
        `| ${[`\`${name}\``, shownDefault(row), `\`${row.example}\``, valueOf(row), row.meaning].map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`,
    );
    return `## ${title}\n\n| variable | default | example | value | meaning |\n|---|---|---|---|---|\n${lines.join('\n')}`;
  });
  return `${[INTRODUCTION, ...groups, ...later()].join('\n\n')}\n`;
}

function shownDefault(row: VariableRow<unknown>): string {
  return row.unset ?? (row.default === undefined ? 'none' : `\`${row.default}\``);
}

function valueOf({ value, secret }: VariableRow<unknown>): string {
  return secret === true ? `**secret**: ${value.expected}` : value.expected;
}

function later(): readonly string[] {
  if (NOT_YET_SUPPORTED.length === 0) return [];
  const names = NOT_YET_SUPPORTED.map((name) => `\`${name}\``).join(', ');
  return [`Documented for later versions, and refused by this one rather than ignored: ${names}.`];
}

/** Longest line of a comment in the example, in characters. */
const WIDTH = 110;

function dotenvExample(): string {
  const groups = VARIABLE_GROUPS.map(({ title, rows }) => {
    const entries = Object.entries<VariableRow<unknown>>(rows).map(([name, row]) => {
      const unset = row.unset?.startsWith('required') === true ? `Is ${row.unset}.` : `Default: ${shownDefault(row)}.`;
      const about = `${row.meaning}. ${unset}`.replaceAll('`', '');
      return `${comment(about)}\n${row.essential === true ? '' : '#'}${name}=${row.example}`;
    });
    return [`# ---- ${title} ----`, ...entries].join('\n\n');
  });
  const head = comment(
    'An example of a configuration, made of the tables in src/config/variables/ by scripts/write-config-docs.ts. Copy it to .env, fill in what is not commented out, then run "latchkey check". docs/configuration.md says more.',
  );
  return `${[head, ...groups].join('\n\n')}\n`;
}

function comment(text: string): string {
  const lines: string[] = [];
  let line = '#';
  for (const word of text.split(' ')) {
    if (line.length + 1 + word.length > WIDTH) {
      lines.push(line);
      line = '#';
    }
    line += ` ${word}`;
  }
  return [...lines, line].join('\n');
}
