import type { VariableRow } from '../src/config/variables/row.ts';
import { KUBERNETES, OURS, SUPPORTED, VARIABLE_GROUPS, type Variable } from '../src/config/variables.ts';

/** The configuration as a JSON Schema (2020-12) of an object with one text for each variable that is set. */
export function configSchema(): Readonly<Record<string, unknown>> {
  const rows = VARIABLE_GROUPS.flatMap(({ rows: group }) => Object.entries<VariableRow<unknown>>(group));
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    $comment: 'Made of the tables in src/config/variables/ by scripts/write-config-docs.ts; edit those.',
    title: 'Configuration of Latchkey',
    description:
      'Environment variables, each a text. Loading says more: it reads the files, and compares variables with each other.',
    type: 'object',
    properties: Object.fromEntries(rows.map(([name, row]) => [name, propertyOf(row)])),
    propertyNames: { anyOf: [{ not: { pattern: OURS.source } }, { pattern: KUBERNETES.source }, { enum: SUPPORTED }] },
    required: ['LATCHKEY_CONTROL_PLANE_URL', 'LDAP_URL'] satisfies Variable[],
    dependentRequired: {
      ...both('LDAP_CERT_FILE', 'LDAP_KEY_FILE'),
      ...both('LATCHKEY_CONTROL_PLANE_CERT_FILE', 'LATCHKEY_CONTROL_PLANE_KEY_FILE'),
    },
    allOf: [
      oneOf('LATCHKEY_CONTROL_PLANE_TOKEN', 'LATCHKEY_CONTROL_PLANE_TOKEN_FILE'),
      {
        oneOf: [
          {
            properties: { LDAP_BIND: { const: 'external' } },
            required: ['LDAP_BIND', 'LDAP_CERT_FILE'] satisfies Variable[],
          },
          {
            properties: { LDAP_BIND: { const: 'simple' } },
            required: ['LDAP_BIND_DN'] satisfies Variable[],
            ...oneOf('LDAP_BIND_PASSWORD', 'LDAP_BIND_PASSWORD_FILE'),
          },
        ],
      },
    ],
  };
}

function propertyOf(row: VariableRow<unknown>): Readonly<Record<string, unknown>> {
  return {
    type: 'string',
    description: `${row.value.expected}: ${row.meaning}`.replaceAll('`', ''),
    ...row.value.shape,
    ...(row.default === undefined ? {} : { default: row.default }),
    examples: [row.example],
    ...(row.secret === true ? { writeOnly: true } : {}),
  };
}

function both(one: Variable, other: Variable): Readonly<Record<string, readonly Variable[]>> {
  return { [one]: [other], [other]: [one] };
}

function oneOf(...variables: readonly Variable[]): { readonly oneOf: readonly { readonly required: readonly Variable[] }[] } {
  return { oneOf: variables.map((name) => ({ required: [name] })) };
}
