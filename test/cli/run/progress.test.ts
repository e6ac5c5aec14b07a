import assert from 'node:assert/strict';
import { sendingText, sentText } from '#src/cli/records/send-lines.js';
import { showProgress } from '#src/cli/run/run-progress.js';
import { createLogger } from '#src/cli/terminal/logger.js';
import { Rate } from '#src/cli/terminal/rate.js';
import { StatusLine } from '#src/cli/terminal/status-line.js';
import type { Progress } from '#src/runtime/engine/progress.js';
import { ManualClock } from '#src/testing/manual-clock.js';
import { testIo } from '../test-io.js';

const progress = (now: {
  lag?: number;
  restoreLeft?: number;
  recordsIn?: number;
  restoredRecords?: number;
}): Progress => ({
  phase: 'running',
  tasks: 1,
  lag: now.lag ?? 0,
  restoreLeft: now.restoreLeft ?? 0,
  stopping: null,
  metrics: {
    recordsIn: now.recordsIn ?? 0,
    recordsOut: 0,
    changelogRecords: 0,
    deadLetters: 0,
    commits: 0,
    restoredRecords: now.restoredRecords ?? 0,
    nodes: {},
  },
});

/** Lets what waits for a timer that has fired go on. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('progress of long work', () => {
  it('is a plain line every five seconds where no line can be redrawn, and none for short work', () => {
    const clock = new ManualClock();
    const lines: string[] = [];
    const status = new StatusLine(testIo({ clock }), (text) => lines.push(text));
    for (let second = 1; second <= 12; second++) {
      clock.advance(1_000);
      status.update(() => `after ${second} s`);
    }
    assert.deepEqual(lines, ['after 5 s', 'after 10 s']);
  });

  it('is one line on a terminal, redrawn, below the log and never wider than the terminal', () => {
    const clock = new ManualClock();
    const io = testIo({ clock, terminal: true });
    const status = new StatusLine(io, () => assert.fail('a plain line'));
    clock.advance(250);
    status.update(() => 'x'.repeat(100));
    status.above('a log line\n');
    clock.advance(100);
    status.update(() => assert.fail('too soon'));
    status.clear();
    status.clear();
    const line = `\r\x1b[K${'x'.repeat(59)}`;
    assert.equal(io.errors(), `${line}\r\x1b[Ka log line\n${line}\r\x1b[K`);
  });

  it('of a running application tells of starting, restoring and catching up, with rate, lag and time left', async () => {
    const clock = new ManualClock();
    const lines: string[] = [];
    const fields: object[] = [];
    const status = new StatusLine(testIo({ clock }), (text, more) => {
      lines.push(text);
      fields.push(more);
    });
    let now: Progress | undefined;
    const end = showProgress(() => now, { clock, status });
    const step = async (next: Progress | undefined): Promise<void> => {
      now = next;
      // The clock stands still while the loop runs.
      for (let half = 0; half < 10; half++) {
        clock.advance(500);
        await settled();
      }
    };
    await step(undefined);
    await step(progress({ restoreLeft: 60_000, restoredRecords: 10_000 }));
    await step(progress({ lag: 1_000_000, recordsIn: 50_000, restoredRecords: 70_000 }));
    await step(progress({ lag: 10, recordsIn: 1_050_000 }));
    end();
    assert.equal(lines.length, 3);
    assert.match(lines[0] ?? '', /^starting: opening and restoring the stores, 5\.0 s$/);
    assert.match(lines[1] ?? '', /^restoring: 60,000 records left, [\d,]+ records\/s, .* left$/);
    assert.deepEqual(fields[0], { phase: 'starting' });
    assert.deepEqual(Object.keys(fields[1] ?? {}), [
      ...['phase', 'tasks', 'lag', 'recordsPerSecond', 'restoreLeft', 'restoredPerSecond'],
    ]);
    assert.deepEqual(Object.keys(fields[2] ?? {}), ['phase', 'tasks', 'lag', 'recordsPerSecond']);
    assert.match(lines[2] ?? '', /^catching up: lag 1,000,000 records, [\d,]+ records\/s, .* left$/);
  });

  it('of an input tells the share that is sent, of a pipe only how many', () => {
    const clock = new ManualClock();
    const rate = new Rate(clock);
    clock.advance(2_000);
    rate.sample(20_000);
    const sent = { records: 20_000, duplicated: 0, displaced: 0, bytes: 400, complete: false };
    assert.equal(
      sendingText('payments', sent, rate, 1_000),
      'payments: 20,000 sent (40%), 10,000 records/s, 3.0 s left',
    );
    assert.equal(sendingText('payments', sent, rate, undefined), 'payments: 20,000 sent, 10,000 records/s');
    assert.equal(
      sentText('payments', { ...sent, records: 1, complete: true }),
      'sent 1 record to payments (0 duplicated, 0 displaced)',
    );
  });
});

describe('the log', () => {
  it('is JSON lines where there is no terminal', () => {
    const io = testIo({ clock: new ManualClock(1_000) });
    createLogger(io, { verbose: false, status: new StatusLine(io, () => undefined) }).info({ tasks: 2 }, 'running');
    assert.equal(io.errors(), '{"level":"info","time":"1970-01-01T00:00:01.000Z","tasks":2,"msg":"running"}\n');
  });

  it('is short lines on a terminal, with debug messages only if asked for', () => {
    const io = testIo({ clock: new ManualClock(3_723_000), terminal: true });
    const status = new StatusLine(io, () => undefined);
    const quiet = createLogger(io, { verbose: false, status });
    quiet.warn({ task: 'payments-0', nodes: { a: 1 } }, 'task given up');
    quiet.debug({}, 'not shown');
    createLogger(io, { verbose: true, status }).debug({}, 'shown');
    assert.equal(io.errors(), '01:02:03Z warn  task given up task=payments-0 nodes={"a":1}\n01:02:03Z debug shown\n');
  });

  it('has colours on a terminal, unless they are switched off', () => {
    for (const colours of [true, false]) {
      const io = testIo({ terminal: true, colours });
      createLogger(io, { verbose: false, status: new StatusLine(io, () => undefined) }).info({}, 'running');
      assert.equal(io.errors().includes('\x1b['), colours);
    }
  });
});
