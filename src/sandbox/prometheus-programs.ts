import { type Program, providePrograms } from './programs.ts';

export type PrometheusPrograms = (name: 'prometheus' | 'promtool') => Program;

/** Prometheus and its tool for rules. Rejects with one sentence on what to install. */
export async function prometheusPrograms(): Promise<PrometheusPrograms> {
  return await providePrograms({
    wanted: [
      { name: 'prometheus', debianPackage: 'prometheus' },
      { name: 'promtool', debianPackage: 'prometheus' },
    ],
    hints: {
      macos: 'install Prometheus with "brew install prometheus"',
      debian: 'the package could not be downloaded, so install it with "apt-get install prometheus"',
      fedora: 'install Prometheus with "dnf install golang-github-prometheus"',
      alpine: 'install Prometheus with "apk add prometheus"',
      other: 'install Prometheus, which brings promtool',
    },
    env: process.env,
  });
}
