import { identityCases } from '../support/identity-cases.ts';

identityCases({ title: 'entries that change during a grant, in a plain directory', memberof: false });
