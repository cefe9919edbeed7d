import { METRICS, type MetricRow } from '../../src/observability/metric-table.ts';

/** A name in an expression, with the label matchers behind it. */
export interface Named {
  readonly name: string;
  readonly matchers: readonly { readonly label: string; readonly value: string }[];
}

/** Every metric that a text of PromQL names, such as `latchkey_jobs_total{kind="grant"}`. */
export function namedIn(text: string): readonly Named[] {
  return [...text.matchAll(/\b((?:latchkey|process)_[a-z_]+)(?:\{([^}]*)\})?/g)].map(([, name = '', inside = '']) => ({
    name,
    matchers: [...inside.matchAll(/([a-z_]+)\s*=~?\s*"([^"]*)"/g)].map(([, label = '', value = '']) => ({ label, value })),
  }));
}

/** Labels that Prometheus adds to what it scrapes, and the bound of a bucket. */
const ADDED: ReadonlySet<string> = new Set(['job', 'instance', 'le']);

/** What is wrong with what a text names, as sentences: metrics, labels and values of labels that there are not. */
export function unknownIn(text: string): readonly string[] {
  return namedIn(text).flatMap(({ name, matchers }) => {
    const row = rowOf(name);
    if (row === null) return [`there is no metric ${name}`];
    return matchers.flatMap(({ label, value }) => {
      if (ADDED.has(label) || value.startsWith('$')) return [];
      const values = row.labels?.[label];
      if (values === undefined) return [`${name} has no label ${label}`];
      const wrong = value.split('|').filter((one) => values !== null && !values.includes(one));
      return wrong.map((one) => `the label ${label} of ${name} is never ${one}`);
    });
  });
}

function rowOf(name: string): MetricRow | null {
  const rows: Readonly<Record<string, MetricRow>> = METRICS;
  const row = rows[name];
  if (row !== undefined) return row.type === 'histogram' ? null : row;
  const of = rows[name.replace(/_(?:bucket|sum|count)$/, '')];
  return of?.type === 'histogram' ? of : null;
}

/** The rows of the table of all metrics, as `docs/metrics.md` has them. */
export function metricRows(): readonly string[] {
  return Object.entries<MetricRow>(METRICS).map(([name, { type, help, labels = {} }]) => {
    const shown = Object.entries(labels).map(([label, values]) => {
      if (values === null) return `\`${label}\``;
      return values.length > 8 ? `\`${label}\` (${values.length})` : `\`${label}\`: ${values.join(', ')}`;
    });
    return `| \`${name}\` | ${type} | ${shown.join('; ')} | ${help} |`;
  });
}
