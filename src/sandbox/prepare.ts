/**
 * Fetches every server that the tests start and the browser, and provisions Samba's domain, so that no test has to. Nothing is
 * installed.
 */

import { chromiumProgram } from './chromium-programs.ts';
import { ds389Programs } from './ds389-programs.ts';
import { openLdapPrograms } from './openldap-programs.ts';
import { prometheusPrograms } from './prometheus-programs.ts';
import { prepareSambaAd } from './samba-ad.ts';
import { systemdAnalyze } from './systemd-programs.ts';

await Promise.all([
  openLdapPrograms(),
  ds389Programs(),
  prepareSambaAd(),
  prometheusPrograms(),
  chromiumProgram(),
  systemdAnalyze(),
]);
