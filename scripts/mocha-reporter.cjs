// Mocha's spec reporter, with failures in full and `N passed, N failed` alone on the last line.
const Mocha = require('mocha');
const { EVENT_RUN_END, EVENT_TEST_FAIL, EVENT_TEST_PASS, EVENT_TEST_PENDING } = Mocha.Runner.constants;
const { Base, Spec } = Mocha.reporters;

const SKIPPED = 'skipped. Every test runs here: repair it, or delete it and say why.';

/**
 * Mocha 12 takes a rejection that nobody awaits, tells other listeners, and goes on: without a listener it is lost and the
 * test passes. Thrown from here it becomes an uncaught exception, which fails the test that runs.
 */
function throwUnhandledRejections() {
  const seen = new Set();
  process.on('unhandledRejection', (reason) => {
    // Node tells this listener, and mocha's listener tells it once more.
    if (seen.has(reason)) return;
    seen.add(reason);
    throw reason instanceof Error ? reason : new Error(`Rejected with ${String(reason)}, and nobody awaited it.`);
  });
}

module.exports = class MillraceReporter extends Spec {
  constructor(runner, options) {
    super(runner, options);
    throwUnhandledRejections();
    let passed = 0;
    let failed = 0;
    const skipped = [];
    runner.on(EVENT_TEST_PASS, () => passed++);
    runner.on(EVENT_TEST_FAIL, (_test, error) => {
      failed++;
      // --forbid-pending fails skipped tests with three words and a stack that leads nowhere.
      if (error?.message === 'Pending test forbidden') Object.assign(error, { message: SKIPPED, stack: SKIPPED });
    });
    // Without --forbid-pending, or for one that mocha lets through.
    runner.on(EVENT_TEST_PENDING, (test) => {
      failed++;
      skipped.push(test.fullTitle());
    });
    // Registered after the epilogue of Spec, therefore printed below it.
    runner.once(EVENT_RUN_END, () => {
      for (const title of skipped) Base.consoleLog(`  ${title}: ${SKIPPED}`);
      if (passed + failed === 0) {
        Base.consoleLog('  No test ran: that is a failure, too. Was anything compiled into build/?');
        failed = 1;
      }
      Base.consoleLog(`${passed} passed, ${failed} failed`);
    });
  }
};
