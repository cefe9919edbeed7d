import { crashTable } from '../support/crash-table.ts';

crashTable({ attribute: 'memberUid', cn: 'db-operators', value: (_, uid) => uid });
