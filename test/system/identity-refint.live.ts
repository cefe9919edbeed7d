import { identityCases } from '../support/identity-cases.ts';

identityCases({ title: 'entries that change during a grant, where the directory repairs references', memberof: true });
