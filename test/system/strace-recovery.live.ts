import { straceTests } from '../support/strace-tests.ts';

straceTests('a start that takes up a grant');
