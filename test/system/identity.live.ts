import { identityCases } from '../support/identity-cases.ts';
import { PLAIN_OPENLDAP } from '../support/known-directories.ts';

identityCases(PLAIN_OPENLDAP);
