import { crashTable } from '../support/crash-table.ts';

crashTable({ attribute: 'member', cn: 'on-call', value: (s, uid) => s.person(uid) });
