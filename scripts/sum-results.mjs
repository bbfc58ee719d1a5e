// Adds up vitest's JSON reports: `sum-results.mjs DIR [FAILED_STEP...]` prints `N passed, N failed, N skipped`.
// `sum-results.mjs --has-failure FILE` exits 0 where the report itself lists a failure.
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';

/** Counts of one report. A file that could not be loaded holds no tests and counts as one failure. */
function count(file) {
  const report = JSON.parse(readFileSync(file, 'utf8'));
  const broken = report.testResults.filter(
    (result) =>
      result.status === 'failed' && !result.assertionResults.some((test) => test.status === 'failed'),
  );
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests + broken.length,
    skipped: report.numPendingTests + report.numTodoTests,
    broken: broken.map((result) => result.name),
  };
}

function hasFailure(file) {
  return existsSync(file) && count(file).failed > 0;
}

function main([target, ...rest]) {
  if (target === '--has-failure') return hasFailure(rest[0]) ? 0 : 1;
  const sum = { passed: 0, failed: rest.length, skipped: 0 };
  for (const name of readdirSync(target).filter((entry) => entry.endsWith('.json'))) {
    const one = count(path.join(target, name));
    console.log(
      `${path.basename(name, '.json')}: ${one.passed} passed, ${one.failed} failed, ${one.skipped} skipped`,
    );
    for (const file of one.broken) console.log(`  could not be run: ${file}`);
    for (const key of ['passed', 'failed', 'skipped']) sum[key] += one[key];
  }
  for (const step of rest) console.log(`failed step: ${step}`);
  console.log(`${sum.passed} passed, ${sum.failed} failed, ${sum.skipped} skipped`);
  return sum.failed === 0 && sum.passed > 0 ? 0 : 1;
}

process.exitCode = main(process.argv.slice(2));
