import type { PlantedBug } from './planted-bug.ts';

const SBOM = ['deploy/sbom.live.ts'];

/** Faults in what tells others what runs. */
export const DEPLOYMENT_BUGS: readonly PlantedBug[] = [
  {
    fault: 'the bill of materials lists packages that do not run',
    file: 'scripts/write-sbom.ts',
    find: '!(dev ?? optional ?? devOptional ?? false)',
    replace: '!(dev ?? false)',
    also: { find: 'optionalDependencies: _optional, ', replace: '' },
    tests: SBOM,
  },
  {
    fault: 'the bill of materials leaves out what runs and is needed in development, too',
    file: 'scripts/write-sbom.ts',
    find: "'--package-lock-only'];",
    replace: "'--package-lock-only', '--omit', 'dev'];",
    also: { find: '{ cwd: place,', replace: '{ cwd: ROOT,' },
    tests: SBOM,
  },
];
