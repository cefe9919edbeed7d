import { identityCases } from '../support/identity-cases.ts';
import { REFINT_OPENLDAP } from '../support/known-directories.ts';

identityCases(REFINT_OPENLDAP);
