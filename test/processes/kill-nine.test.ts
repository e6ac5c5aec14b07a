import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { seededRandom } from '#src/model/random.js';
import { bin, changesIn, deliver, gitTotals, millrace, sourceHistoryProject } from '../support/source-history.js';

const KILLS = 20;
const SEED = 11;
/** Lines of output after which a run is killed, at most. All runs together then print less than half of what there is to print, so each is killed at work. */
const MOST_LINES = 500;

interface Row {
  readonly key: string;
  readonly value: { readonly files: number; readonly bytes: number };
}

// Small batches and frequent commits: many steps to be killed in.
const RUN = ['run', 'topology.ts', '--partitions', '4', '--no-check', '--batch', '10', '--commit-every', '1ms'];

/** Runs the application and kills it after that many lines of output; with none, as soon as it says anything at all. */
async function killedAfter(lines: number, cwd: string): Promise<{ readonly signal: unknown; readonly said: string }> {
  const child: ChildProcess = spawn(process.execPath, [bin, ...RUN, '--print', 'totals'], {
    cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let seen = 0;
  child.stdout?.on('data', (chunk: Buffer) => {
    for (const byte of chunk) if (byte === 10 && ++seen === lines) child.kill('SIGKILL');
  });
  let said = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    said += chunk;
    if (lines === 0) child.kill('SIGKILL');
  });
  const [, signal] = await once(child, 'exit');
  return { signal, said };
}

describe('a run that is killed with kill -9', () => {
  it(`ends in git's figures after ${KILLS} kills at random moments, and has written every output once`, async function () {
    // A program started twenty times.
    this.timeout(300_000);
    const cwd = sourceHistoryProject();
    await deliver(cwd, SEED, '--partitions', '4');

    const random = seededRandom(SEED);
    for (let kill = 0; kill < KILLS; kill++) {
      const lines = kill % 5 === 0 ? 0 : 1 + Math.floor(random() * MOST_LINES);
      const { signal, said } = await killedAfter(lines, cwd);
      assert.equal(signal, 'SIGKILL', `run ${kill} ended by itself before ${lines} lines: ${said}`);
    }
    await millrace(cwd, ...RUN, '--until-idle');

    const store = JSON.parse(
      await millrace(cwd, 'state', 'get', 'topology.ts', '--store', 'totals', '--key', 'all'),
    ) as Row;
    assert.deepEqual(store.value, gitTotals());

    const outputs = (await millrace(cwd, 'consume', 'totals', '--until-end')).trim().split('\n');
    assert.deepEqual((JSON.parse(outputs.at(-1) ?? '{}') as Row).value, gitTotals());
    // Each change of a file changes the total once: as many outputs as there are events.
    assert.equal(outputs.length, changesIn(cwd));
  });
});
