import { auditContract } from '../support/audit-contract.ts';
import { ledgerContract } from '../support/ledger-contract.ts';
import { memoryUnderTest, sqliteUnderTest } from '../support/ledgers-under-test.ts';

ledgerContract('memory', memoryUnderTest);
ledgerContract('sqlite', sqliteUnderTest);
auditContract('memory', memoryUnderTest);
auditContract('sqlite', sqliteUnderTest);
