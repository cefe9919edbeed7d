import { straceTests } from '../support/strace-tests.ts';

straceTests('a stop');
